//! `plan --measure`: what this machine can do, by our own kernels.

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Cpu, Device, FORMAT, How, Isa, Kernels, Memory, Runs, Storage};
use crate::kernels::buffer::{Arena, Buffer};
use crate::kernels::decode::activations::Activations;
use crate::kernels::decode::attention::{Cached, Query};
use crate::kernels::decode::matrix::{Format, Matrix};
use crate::kernels::decode::paths::{Kernels as Path_, present};
use crate::language::blocks;
use crate::language::gguf::TensorType;
use crate::profile::Machine;
use crate::user_cache::user_cache;

/// Packed formats by the name that a device file has them under.
pub const FORMATS: [(&str, Format); 8] = [
    ("nibbles", Format::Nibbles),
    ("bytes", Format::Bytes),
    ("bytes_and_minimum", Format::BytesAndMinimum),
    ("wide_nibbles", Format::WideNibbles),
    ("wide_bytes", Format::WideBytes),
    ("half_blocks", Format::HalfBlocks),
    ("f16", Format::F16),
    ("f32", Format::F32),
];

/// Inputs of the matrices that are timed.
const INPUTS: usize = 1024;
/// Rows of a batch.
const ROWS: usize = 64;
const MIB: usize = 1 << 20;

/// How long, and whether for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Of one timing.
    pub each: Duration,
    /// MiB of the matrices, ascending.
    pub sizes_mib: &'static [usize],
    /// All cores at work, to see whether heat slows them.
    pub heat: Duration,
}

impl Effort {
    /// For figures to rely on: about two minutes.
    pub const FULL: Effort = Effort {
        each: Duration::from_millis(400),
        sizes_mib: &[1, 32, 96, 256],
        heat: Duration::from_secs(60),
    };
    /// Seconds.
    pub const QUICK: Effort = Effort {
        each: Duration::from_millis(40),
        sizes_mib: &[1, 96],
        heat: Duration::from_secs(2),
    };
}

/// Where the file of this machine is kept; none where the system names no such place.
pub fn place() -> Option<PathBuf> {
    let name = format!("{}.yaml", Machine::this().key());
    Some(user_cache()?.join("devices").join(name))
}

/// Measures; `storage` is a folder on what models will be read from, `say` is told what is done.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn measure(effort: Effort, storage: &Path, say: &dyn Fn(&str)) -> Result<Device, String> {
    let machine = Machine::this();
    let cores = machine.cores;
    let from = format!("edge_reasoner plan --measure on {machine}");
    say("memory: read by threads");
    let mut threads = vec![1];
    threads.extend([2, 4, cores].into_iter().filter(|n| *n <= cores && *n > 1));
    let read_gb_s = threads
        .into_iter()
        .map(|n| (n, two(read_rate(n, effort.each))))
        .collect();
    say("products: one row and many, by packed format");
    let kernels = present()[0];
    let mut one_row_gb_s = BTreeMap::new();
    let mut many_rows_gmac_s = BTreeMap::new();
    for (name, format) in FORMATS {
        let mut by = BTreeMap::new();
        for (place, mib) in effort.sizes_mib.iter().enumerate() {
            let matrix = matrix(format, mib * MIB);
            by.insert(*mib as u64, two(one_row(kernels, &matrix, effort.each)));
            if place == 0 {
                let rate = many_rows(kernels, &matrix, effort.each);
                many_rows_gmac_s.insert(name.to_owned(), two(rate));
            }
        }
        one_row_gb_s.insert(name.to_owned(), by);
    }
    say("attention, packing");
    let attention_gmac_s = two(attention(kernels, effort.each));
    let pack_gb_s = two(packing());
    say("storage");
    let storage = storage_rate(storage, effort)?;
    say("heat: all cores at work");
    let share = heat(kernels, cores, effort.heat);
    let clock = clock_ghz();
    let (l1_kib, l2_kib, l3_kib) = caches();
    Ok(Device {
        format: FORMAT,
        name: format!("here-{}", machine.key()),
        title: machine.to_string(),
        runs: Runs::Linux,
        cpu: Cpu {
            how: How::Measured,
            from: from.clone(),
            name: machine.cpu.clone(),
            isa: isa(kernels.name),
            cores,
            clock_ghz: two(clock),
            sustained_clock_ghz: two(clock * share),
            l1_kib,
            l2_kib,
            l3_kib,
        },
        memory: Memory {
            how: How::Measured,
            from: from.clone(),
            total: format!("{}KiB", total_kib()),
            read_gb_s,
        },
        kernels: Some(Kernels {
            how: How::Measured,
            from: from.clone(),
            path: kernels.name.to_owned(),
            one_row_gb_s,
            many_rows_gmac_s,
            attention_gmac_s,
            pack_gb_s,
        }),
        llama_cpp: None,
        gpu: None,
        npu: None,
        storage: Some(Storage {
            how: How::Measured,
            from,
            name: String::from("where the measurement was told to write"),
            read_mb_s: storage.round(),
        }),
        power: None,
    })
}

/// This machine as the system describes it, without a measurement.
pub fn described() -> Device {
    let machine = Machine::this();
    let clock = clock_ghz();
    let (l1_kib, l2_kib, l3_kib) = caches();
    let from = String::from(
        "what the system says of this machine; edge_reasoner plan --measure measures it",
    );
    Device {
        format: FORMAT,
        name: format!("here-{}", machine.key()),
        title: format!("{machine}, not measured yet (edge_reasoner plan --measure)"),
        runs: Runs::Linux,
        cpu: Cpu {
            how: How::Estimated,
            from: from.clone(),
            name: machine.cpu.clone(),
            isa: isa(present()[0].name),
            cores: machine.cores,
            clock_ghz: clock,
            // What small computers keep when they are warm.
            sustained_clock_ghz: clock * 0.75,
            l1_kib,
            l2_kib,
            l3_kib,
        },
        memory: Memory {
            how: How::Estimated,
            from,
            total: format!("{}KiB", total_kib()),
            read_gb_s: BTreeMap::from([(1, 6.0), (machine.cores.max(2), 9.0)]),
        },
        kernels: None,
        llama_cpp: None,
        gpu: None,
        npu: None,
        storage: None,
        power: None,
    }
}

fn two(x: f64) -> f64 {
    (x * 100.0).round().max(1.0) / 100.0
}

/// Calls until the time is over; seconds of the processor of a call that nothing else disturbed: a
/// tenth are faster. What the system gives to others meanwhile does not count.
fn undisturbed(each: Duration, mut call: impl FnMut()) -> f64 {
    call();
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < 3 || start.elapsed() < each {
        let since = thread_seconds();
        call();
        times.push(thread_seconds() - since);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 10].max(1e-9)
}

/// Seconds that this thread had a processor.
fn thread_seconds() -> f64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes the one struct it is given, which lives on this stack.
    // `what_is_measured_is_a_device_file_that_is_read_back` calls it.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// GB/s that so many threads read together.
fn read_rate(threads: usize, each: Duration) -> f64 {
    let bytes = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let data = vec![1u64; 128 * MIB / 8];
                let seconds = undisturbed(each, || {
                    let mut sums = [0u64; 16];
                    for chunk in data.chunks_exact(16) {
                        sums.iter_mut()
                            .zip(chunk)
                            .for_each(|(sum, x)| *sum = sum.wrapping_add(*x));
                    }
                    black_box(sums);
                });
                let rate = (128 * MIB) as f64 / seconds;
                bytes.fetch_add(rate as u64, Ordering::Relaxed);
            });
        }
    });
    bytes.into_inner() as f64 / 1e9
}

fn matrix(format: Format, bytes: usize) -> Matrix {
    let panel = INPUTS / 32 * format.stride();
    let outputs = 16 * (bytes / panel).max(1);
    let mut memory = Arena::default();
    Matrix::new(format, INPUTS, outputs, &mut memory, |_, _, _| (0, 0))
}

fn rows(count: usize) -> Activations {
    Activations::new(INPUTS, count)
}

fn product(kernels: Path_, matrix: &Matrix, a: &Activations, count: usize, out: &mut [f32]) {
    // SAFETY: `present` lists only paths that this machine has; the kernels check their bounds.
    unsafe { (kernels.product)(matrix, a, count, 0..matrix.panels(), out) }
}

/// GB/s of packed weights.
fn one_row(kernels: Path_, matrix: &Matrix, each: Duration) -> f64 {
    let (a, mut out) = (rows(1), vec![0.0; matrix.outputs]);
    let seconds = undisturbed(each, || product(kernels, matrix, &a, 1, &mut out));
    matrix.bytes() as f64 / seconds / 1e9
}

/// Thousand millions of multiply-adds a second.
fn many_rows(kernels: Path_, matrix: &Matrix, each: Duration) -> f64 {
    let (a, mut out) = (rows(ROWS), vec![0.0; ROWS * matrix.outputs]);
    let seconds = undisturbed(each, || product(kernels, matrix, &a, ROWS, &mut out));
    (matrix.inputs * matrix.outputs * ROWS) as f64 / seconds / 1e9
}

fn attention(kernels: Path_, each: Duration) -> f64 {
    const HEADS: usize = 3;
    const SIZE: usize = 64;
    const ROOM: usize = 512;
    const GROUP: usize = 3;
    // More than one layer, so that the cache of one is not taken for that of all.
    let layers: Vec<(Buffer<u16>, Buffer<u16>)> = (0..16)
        .map(|_| {
            (
                Buffer::new(HEADS * SIZE * ROOM),
                Buffer::new(HEADS * SIZE * ROOM),
            )
        })
        .collect();
    let queries = vec![0.01; HEADS * GROUP * SIZE];
    let (mut scores, mut out) = (vec![0.0; 4 * ROOM], vec![0.0; HEADS * GROUP * SIZE]);
    let seconds = undisturbed(each, || {
        for (keys, values) in &layers {
            let cached = Cached {
                keys,
                values,
                heads: HEADS,
                size: SIZE,
                room: ROOM,
            };
            let mut query = Query {
                queries: &queries,
                group: GROUP,
                from: 0,
                to: ROOM,
                scale: 0.125,
                soft_cap: 0.0,
                scores: &mut scores,
                out: &mut out,
            };
            // SAFETY: as above.
            unsafe { (kernels.attend)(&cached, &mut query) };
        }
    });
    (2 * ROOM * SIZE * HEADS * GROUP * layers.len()) as f64 / seconds / 1e9
}

/// GB/s of a file's Q4_0 blocks packed.
fn packing() -> f64 {
    let bytes = vec![0u8; INPUTS / 32 * 18 * 16_384];
    let since = Instant::now();
    let mut memory = Arena::default();
    black_box(blocks::pack(
        TensorType::Q4_0,
        &bytes,
        INPUTS,
        16_384,
        &mut memory,
    ));
    bytes.len() as f64 / since.elapsed().as_secs_f64() / 1e9
}

/// MB/s read from a file that the system does not hold in memory.
fn storage_rate(folder: &Path, effort: Effort) -> Result<f64, String> {
    let path = folder.join(format!("edge_reasoner_measure_{}", std::process::id()));
    let wrong = |cause: std::io::Error| {
        format!(
            "{}: {cause}; name a folder to write 256 MB into for a moment with --storage",
            path.display()
        )
    };
    let size = if effort == Effort::QUICK {
        32 * MIB
    } else {
        256 * MIB
    };
    let done = (|| {
        let mut file = File::create(&path)?;
        let mut block = vec![0u8; MIB];
        for at in 0..size / MIB {
            // No two alike, so that no storage makes them one.
            block
                .iter_mut()
                .enumerate()
                .for_each(|(i, x)| *x = (i * 31 + at * 17 + i / 251) as u8);
            file.write_all(&block)?;
        }
        file.sync_all()?;
        forget(&file);
        let mut file = File::open(&path)?;
        let since = Instant::now();
        while file.read(&mut block)? > 0 {}
        Ok(size as f64 / since.elapsed().as_secs_f64() / 1e6)
    })();
    let _ = std::fs::remove_file(&path);
    done.map_err(wrong)
}

/// Asks the system to drop what it holds of a file in memory.
fn forget(file: &File) {
    // SAFETY: the descriptor is open for as long as `file` lives; the call takes no memory of ours.
    // Whether it is heard changes a rate, nothing else. `storage_is_measured_and_nothing_is_left`
    // calls it.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

/// The rate of the last fifth of the time, as a share of the first: products by second of the
/// processor, so that what else runs does not look like heat.
fn heat(kernels: Path_, cores: usize, time: Duration) -> f64 {
    let work = || {
        let matrix = matrix(Format::Nibbles, MIB / 2);
        let (a, mut out) = (rows(ROWS), vec![0.0; ROWS * matrix.outputs]);
        let since = Instant::now();
        // Products and seconds of the first fifth and the last.
        let mut parts = [(0.0, 0.0); 2];
        loop {
            let share = since.elapsed().as_secs_f64() / time.as_secs_f64();
            let before = thread_seconds();
            product(kernels, &matrix, &a, ROWS, &mut out);
            let part = match share {
                share if share < 0.2 => 0,
                share if share >= 1.0 => return parts,
                share if share >= 0.8 => 1,
                _ => continue,
            };
            parts[part].0 += 1.0;
            parts[part].1 += thread_seconds() - before;
        }
    };
    let all: Vec<[(f64, f64); 2]> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let rate = |part: usize| {
        let (done, seconds) = all.iter().fold((0.0, 0.0), |sum, one| {
            (sum.0 + one[part].0, sum.1 + one[part].1)
        });
        done / f64::max(seconds, 1e-9)
    };
    match rate(0) > 0.0 && rate(1) > 0.0 {
        true => (rate(1) / rate(0)).clamp(0.1, 1.0),
        // Too short to say.
        false => 1.0,
    }
}

/// GHz as the system names them now, at most; 1 where it does not.
fn clock_ghz() -> f64 {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let most = read("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq");
    let most = most
        .and_then(|text| text.trim().parse::<f64>().ok())
        .map(|khz| khz / 1e6);
    let now = || {
        let info = read("/proc/cpuinfo")?;
        let line = info.lines().find(|line| line.starts_with("cpu MHz"))?;
        line.split(':')
            .nth(1)?
            .trim()
            .parse::<f64>()
            .ok()
            .map(|mhz| mhz / 1e3)
    };
    most.or_else(now).unwrap_or(1.0)
}

fn caches() -> (u64, u64, u64) {
    let of = |level: &str, kind: &[&str]| {
        (0..8).find_map(|index| {
            let folder = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
            let read = |file: &str| std::fs::read_to_string(format!("{folder}/{file}")).ok();
            let fits = read("level")?.trim() == level && kind.contains(&read("type")?.trim());
            let size = read("size")?;
            let size = size.trim();
            let kib = size.strip_suffix('K').map(|kib| kib.parse().ok());
            fits.then(|| {
                kib.unwrap_or_else(|| size.strip_suffix('M')?.parse().ok().map(|m: u64| m * 1024))
            })?
        })
    };
    let unified = ["Unified", "Data"];
    (
        of("1", &["Data"]).unwrap_or(0),
        of("2", &unified).unwrap_or(0),
        of("3", &unified).unwrap_or(0),
    )
}

fn total_kib() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("MemTotal:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(1)
}

fn isa(path: &str) -> Isa {
    match path {
        "avx512" => Isa::Avx512Vnni,
        "avx2" => Isa::Avx2,
        "neon" => Isa::NeonDotprod,
        _ if cfg!(target_arch = "aarch64") => Isa::Neon,
        _ => Isa::Scalar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds in all.
    const TINY: Effort = Effort {
        each: Duration::from_millis(2),
        sizes_mib: &[1],
        heat: Duration::from_millis(50),
    };

    #[test]
    fn what_is_measured_is_a_device_file_that_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let device = measure(TINY, folder.path(), &|_| {}).unwrap();
        let text = serde_yaml::to_string(&device).unwrap();
        assert_eq!(Device::parse(&text), Ok(device), "{text}");
    }

    #[test]
    fn a_machine_that_was_not_measured_is_described_and_says_so() {
        let device = described();
        assert_eq!(device.cpu.how, How::Estimated);
        assert!(device.title.contains("not measured yet") && device.kernels.is_none());
        let text = serde_yaml::to_string(&device).unwrap();
        assert_eq!(Device::parse(&text), Ok(device), "{text}");
    }

    #[test]
    fn storage_is_measured_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        assert!(storage_rate(folder.path(), Effort::QUICK).unwrap() > 0.0);
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        let nowhere = storage_rate(&folder.path().join("no"), Effort::QUICK).unwrap_err();
        assert!(nowhere.contains("--storage"), "{nowhere}");
    }
}
