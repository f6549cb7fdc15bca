//! The runtimes.

use std::sync::Arc;

use rten_tensor::AsView;

use super::{Fault, Peer};

/// Opens MODEL in the runtime of this name.
pub fn open(
    runtime: &str,
    model: &str,
    window: Vec<f32>,
    shape: [usize; 3],
) -> Result<Box<dyn Peer>, Fault> {
    Ok(match runtime {
        "ort" => Box::new(Ort::open(model, window, shape)?),
        "openvino_f32" => Box::new(OpenVino::open(model, window, shape, "f32")?),
        "openvino_bf16" => Box::new(OpenVino::open(model, window, shape, "bf16")?),
        "rten" => Box::new(Rten::open(model, window, shape)?),
        "tract" => Box::new(Tract::open(model, window, shape)?),
        other => return Err(format!("no runtime {other}").into()),
    })
}

struct Ort {
    session: ort::session::Session,
    binding: ort::session::IoBinding,
    names: Vec<String>,
}

impl Ort {
    fn open(model: &str, window: Vec<f32>, shape: [usize; 3]) -> Result<Ort, Fault> {
        use ort::session::{Session, builder::GraphOptimizationLevel};
        let environment = ort::init().with_telemetry(false).build()?;
        let session = Session::builder(&environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .commit_from_file(model)?;
        let names: Vec<String> = session.outputs().iter().map(|o| o.name().into()).collect();
        let mut binding = session.create_binding()?;
        let input = ort::value::Tensor::from_array((shape, window))?;
        binding.bind_input("window", &input)?;
        for name in &names {
            let info = session.allocator().memory_info();
            binding.bind_output_to_device(name, &info)?;
        }
        Ok(Ort {
            session,
            binding,
            names,
        })
    }
}

impl Peer for Ort {
    fn run(&mut self) -> Result<(), Fault> {
        self.session.run_binding(&self.binding)?;
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<f32>, Fault> {
        let outputs = self.session.run_binding(&self.binding)?;
        let mut all = Vec::new();
        for name in &self.names {
            all.extend_from_slice(outputs[name.as_str()].try_extract_tensor::<f32>()?.1);
        }
        Ok(all)
    }
}

struct OpenVino {
    request: openvino::InferRequest,
    exits: usize,
}

impl OpenVino {
    fn open(
        model: &str,
        window: Vec<f32>,
        shape: [usize; 3],
        precision: &str,
    ) -> Result<OpenVino, Fault> {
        use openvino::{DeviceType, RwPropertyKey};
        // The wheel's library carries a version in its name, which the usual search does not know.
        if let Ok(library) = std::env::var("OPENVINO_LIBRARY") {
            openvino_sys::library::load_from(library)?;
        }
        let mut core = openvino::Core::new()?;
        for (key, value) in [
            (RwPropertyKey::InferenceNumThreads, "1"),
            (RwPropertyKey::NumStreams, "1"),
            (RwPropertyKey::HintPerformanceMode, "LATENCY"),
            (RwPropertyKey::HintInferencePrecision, precision),
            // The process is pinned from outside.
            (RwPropertyKey::HintEnableCpuPinning, "NO"),
        ] {
            core.set_property(&DeviceType::CPU, &key, value)?;
        }
        let weights = match model.strip_suffix(".xml") {
            Some(stem) => format!("{stem}.bin"),
            None => String::new(),
        };
        let model = core.read_model_from_file(model, &weights)?;
        let exits = model.get_outputs_len()?;
        let mut compiled = core.compile_model(&model, DeviceType::CPU)?;
        let mut request = compiled.create_infer_request()?;
        let shape = openvino::Shape::new(&shape.map(|n| n as i64))?;
        let mut input = openvino::Tensor::new(openvino::ElementType::F32, &shape)?;
        input.get_data_mut::<f32>()?.copy_from_slice(&window);
        request.set_input_tensor(&input)?;
        Ok(OpenVino { request, exits })
    }
}

impl Peer for OpenVino {
    fn run(&mut self) -> Result<(), Fault> {
        Ok(self.request.infer()?)
    }

    fn outputs(&mut self) -> Result<Vec<f32>, Fault> {
        let mut all = Vec::new();
        for exit in 0..self.exits {
            let output = self.request.get_output_tensor_by_index(exit)?;
            all.extend_from_slice(output.get_data::<f32>()?);
        }
        Ok(all)
    }
}

struct Rten {
    model: rten::Model,
    options: rten::RunOptions,
    window: rten_tensor::Tensor<f32>,
    last: Vec<rten::Value>,
}

impl Rten {
    fn open(model: &str, window: Vec<f32>, shape: [usize; 3]) -> Result<Rten, Fault> {
        let pool = Arc::new(rten::ThreadPool::with_num_threads(1));
        Ok(Rten {
            model: rten::Model::load_file(model)?,
            options: rten::RunOptions::default().with_thread_pool(Some(pool)),
            window: rten_tensor::Tensor::from_data(&shape, window),
            last: Vec::new(),
        })
    }
}

impl Peer for Rten {
    fn run(&mut self) -> Result<(), Fault> {
        let input = (self.model.input_ids()[0], self.window.view().into());
        let outputs = self.model.output_ids();
        self.last = self
            .model
            .run(vec![input], outputs, Some(self.options.clone()))?;
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<f32>, Fault> {
        let mut all = Vec::new();
        for value in &self.last {
            let view: rten_tensor::TensorView<f32> = value.as_view().try_into()?;
            all.extend(view.iter());
        }
        Ok(all)
    }
}

type Plan = Arc<tract_onnx::prelude::TypedRunnableModel>;

struct Tract {
    plan: Plan,
    window: tract_onnx::prelude::TValue,
    last: Vec<f32>,
}

impl Tract {
    fn open(model: &str, window: Vec<f32>, shape: [usize; 3]) -> Result<Tract, Fault> {
        use tract_onnx::prelude::*;
        let model = tract_onnx::onnx().model_for_path(model)?.into_optimized()?;
        Ok(Tract {
            plan: model.into_runnable()?,
            window: Tensor::from_shape(&shape, &window)?.into_tvalue(),
            last: Vec::new(),
        })
    }
}

impl Peer for Tract {
    fn run(&mut self) -> Result<(), Fault> {
        use tract_onnx::prelude::*;
        let outputs = self.plan.run(tvec![self.window.clone()])?;
        self.last.clear();
        for output in outputs.iter() {
            let view = output.to_plain_array_view::<f32>()?;
            self.last.extend(view.iter());
        }
        Ok(())
    }

    fn outputs(&mut self) -> Result<Vec<f32>, Fault> {
        Ok(self.last.clone())
    }
}
