//! The floor of `make bench-node`: the least a Rust node does on this middleware. Every LaserScan
//! is answered by a Decision that carries its header and nothing else; there is no model.
//!
//! Topics as in the node: `/scan` in, `/echo/decision` out (remap them with `--ros-args -r`).

use std::time::Duration;

use futures::executor::LocalPool;
use futures::stream::StreamExt;
use futures::task::LocalSpawnExt;
use r2r::QosProfile;
use r2r::edge_reasoner::msg::Decision;
use r2r::sensor_msgs::msg::LaserScan;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let context = r2r::Context::create()?;
    let mut node = r2r::Node::create(context, "echo", "")?;
    let mut scans = node.subscribe::<LaserScan>("/scan", QosProfile::sensor_data())?;
    let decisions = node.create_publisher::<Decision>("/echo/decision", QosProfile::default())?;
    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(async move {
        while let Some(scan) = scans.next().await {
            let decision = Decision {
                header: scan.header,
                ..Decision::default()
            };
            if let Err(error) = decisions.publish(&decision) {
                eprintln!("echo: publishing failed: {error}");
            }
        }
    })?;
    loop {
        node.spin_once(Duration::from_millis(100));
        pool.run_until_stalled();
    }
}
