//! Figures of the process and of its tokio runtimes, read at each scrape and kept nowhere.

use std::fmt::Write;
use std::fs;

use tokio::runtime::Handle;

/// Appends `process_*` and `weir_tokio_*` figures in the text format.
///
/// What the kernel does not tell (no `/proc`) is left out.
pub fn write<'a>(text: &mut String, runtimes: impl Iterator<Item = &'a Handle>) {
    if let Some(bytes) = resident_bytes() {
        gauge(text, "process_resident_memory_bytes", "Resident memory", bytes);
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        gauge(text, "process_open_fds", "Open file descriptors", descriptors.count() as u64);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    if let Some(limit) = limit {
        gauge(text, "process_max_fds", "Limit on open file descriptors", limit);
    }
    if let Some(seconds) = cpu_seconds() {
        super::write_header(text, "process_cpu_seconds_total", "User and system time", "counter");
        _ = writeln!(text, "process_cpu_seconds_total {seconds}");
    }
    let (mut workers, mut tasks, mut queued, mut busy) = (0, 0, 0, 0.0);
    for runtime in runtimes.map(Handle::metrics) {
        workers += runtime.num_workers() as u64;
        tasks += runtime.num_alive_tasks() as u64;
        queued += runtime.global_queue_depth() as u64;
        busy += (0..runtime.num_workers())
            .map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64())
            .sum::<f64>();
    }
    gauge(text, "weir_tokio_workers", "Worker threads", workers);
    gauge(text, "weir_tokio_tasks", "Tasks alive", tasks);
    gauge(
        text,
        "weir_tokio_global_queue_depth",
        "Tasks waiting in the runtimes' shared queues",
        queued,
    );
    super::write_header(text, "weir_tokio_busy_seconds_total", "Time workers were busy", "counter");
    _ = writeln!(text, "weir_tokio_busy_seconds_total {busy}");
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) {
    super::write_header(text, name, help, "gauge");
    _ = writeln!(text, "{name} {value}");
}

/// `VmRSS` of `/proc/self/status`.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// User and system time of this process.
fn cpu_seconds() -> Option<f64> {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = std::time::Duration::new(
        u64::try_from(usage.tv_sec).ok()?,
        u32::try_from(usage.tv_nsec).ok()?,
    );
    Some(seconds.as_secs_f64())
}
