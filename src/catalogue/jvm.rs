//! JVM and process families, which only the Prometheus provider reports (`exportJvmInfo`).

use super::metric::{Label, Metric, basic, counter, gauge, info};

#[rustfmt::skip] // Three lines per metric: key and family, HELP, the rest.
pub(super) const ROWS: &[Metric] = &[
    info("jvm_info", "zk_jvm",
        "The Java runtime of this member: version, vendor and name (mntr key jvm_info)")
        .by(Label::Same(&["version", "vendor", "runtime"])).provider_only(),
    gauge("jvm_buffer_pool_capacity_bytes", "zk_jvm_buffer_pool_capacity_bytes",
        "Capacity of all buffers of a pool outside the heap (mntr key jvm_buffer_pool_capacity_bytes)")
        .bytes().by(Label::Same(&["pool"])).provider_only(),
    gauge("jvm_buffer_pool_used_buffers", "zk_jvm_buffer_pool_used_buffers",
        "Buffers in use of a pool outside the heap (mntr key jvm_buffer_pool_used_buffers)")
        .by(Label::Same(&["pool"])).provider_only(),
    gauge("jvm_buffer_pool_used_bytes", "zk_jvm_buffer_pool_used_bytes",
        "Memory in use by a pool of buffers outside the heap (mntr key jvm_buffer_pool_used_bytes)")
        .bytes().by(Label::Same(&["pool"])).provider_only(),
    gauge("jvm_classes_loaded", "zk_jvm_classes_currently_loaded",
        "Classes loaded at this moment; renamed since with zk_jvm_classes_loaded_total it would be one family (mntr key jvm_classes_loaded)")
        .provider_only().aliases(&["jvm_classes_currently_loaded"]),
    counter("jvm_classes_loaded_total", "zk_jvm_classes_loaded",
        "Classes loaded since the process started (mntr key jvm_classes_loaded_total)")
        .provider_only(),
    counter("jvm_classes_unloaded_total", "zk_jvm_classes_unloaded",
        "Classes unloaded since the process started (mntr key jvm_classes_unloaded_total)")
        .provider_only().aliases(&["jvm_classes_unloaded"]),
    counter("jvm_compilation_time_seconds", "zk_jvm_compilation_time_seconds",
        "Time the JVM spent on compiling bytecode (mntr key jvm_compilation_time_seconds)")
        .seconds().since("3.10.0").provider_only().aliases(&["jvm_compilation_time_seconds_total"]),
    basic("jvm_gc_collection_seconds", "zk_jvm_gc_collection_seconds",
        "Time spent in each garbage collector; _count is the number of its runs; long ones cost sessions and leadership (mntr keys jvm_gc_collection_seconds_count, _sum)")
        .seconds().by(Label::Same(&["gc"])).provider_only().essential(),
    gauge("jvm_memory_bytes_committed", "zk_jvm_memory_committed_bytes",
        "Memory the JVM has taken from the system, heap and outside of it (mntr key jvm_memory_bytes_committed)")
        .bytes().by(Label::Same(&["area"])).provider_only().aliases(&["jvm_memory_committed_bytes"]),
    gauge("jvm_memory_bytes_init", "zk_jvm_memory_init_bytes",
        "Memory the JVM asked for at its start; absent where it is not defined (mntr key jvm_memory_bytes_init)")
        .bytes().by(Label::Same(&["area"])).minus_one_is_none().provider_only().aliases(&["jvm_memory_init_bytes"]),
    gauge("jvm_memory_bytes_max", "zk_jvm_memory_max_bytes",
        "Most memory the JVM may use (-Xmx for the heap); absent where there is no limit (mntr key jvm_memory_bytes_max)")
        .bytes().by(Label::Same(&["area"])).limit().provider_only().aliases(&["jvm_memory_max_bytes"]).essential(),
    gauge("jvm_memory_objects_pending_finalization", "zk_jvm_memory_objects_pending_finalization",
        "Objects that wait for their finalizer (mntr key jvm_memory_objects_pending_finalization)")
        .since("3.10.0").provider_only(),
    counter("jvm_memory_pool_allocated_bytes_total", "zk_jvm_memory_pool_allocated_bytes",
        "Bytes allocated in a memory pool; moves only at garbage collections, not between them (mntr key jvm_memory_pool_allocated_bytes_total)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_allocated_bytes"]),
    gauge("jvm_memory_pool_collection_committed_bytes", "zk_jvm_memory_pool_collection_committed_bytes",
        "Memory a pool had taken from the system after its last garbage collection (mntr key jvm_memory_pool_collection_committed_bytes)")
        .bytes().by(Label::Same(&["pool"])).since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_init_bytes", "zk_jvm_memory_pool_collection_init_bytes",
        "Memory a pool asked for at start, as seen after its last garbage collection; absent where it is not defined (mntr key jvm_memory_pool_collection_init_bytes)")
        .bytes().by(Label::Same(&["pool"])).minus_one_is_none().since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_max_bytes", "zk_jvm_memory_pool_collection_max_bytes",
        "Most memory a pool may use, as seen after its last garbage collection; absent where there is no limit (mntr key jvm_memory_pool_collection_max_bytes)")
        .bytes().by(Label::Same(&["pool"])).limit().since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_used_bytes", "zk_jvm_memory_pool_collection_used_bytes",
        "Memory a pool still used after its last garbage collection: what really lives in it (mntr key jvm_memory_pool_collection_used_bytes)")
        .bytes().by(Label::Same(&["pool"])).since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_bytes_committed", "zk_jvm_memory_pool_committed_bytes",
        "Memory a pool has taken from the system (mntr key jvm_memory_pool_bytes_committed)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_committed_bytes"]),
    gauge("jvm_memory_pool_bytes_init", "zk_jvm_memory_pool_init_bytes",
        "Memory a pool asked for at start; absent where it is not defined (mntr key jvm_memory_pool_bytes_init)")
        .bytes().by(Label::Same(&["pool"])).minus_one_is_none().provider_only().aliases(&["jvm_memory_pool_init_bytes"]),
    gauge("jvm_memory_pool_bytes_max", "zk_jvm_memory_pool_max_bytes",
        "Most memory a pool may use; absent where there is no limit (mntr key jvm_memory_pool_bytes_max)")
        .bytes().by(Label::Same(&["pool"])).limit().provider_only().aliases(&["jvm_memory_pool_max_bytes"]),
    gauge("jvm_memory_pool_bytes_used", "zk_jvm_memory_pool_used_bytes",
        "Memory in use in a pool, what the next garbage collection will free included (mntr key jvm_memory_pool_bytes_used)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_used_bytes"]),
    gauge("jvm_memory_bytes_used", "zk_jvm_memory_used_bytes",
        "Memory in use, what the next garbage collection will free included (mntr key jvm_memory_bytes_used)")
        .bytes().by(Label::Same(&["area"])).provider_only().aliases(&["jvm_memory_used_bytes"]).essential(),
    gauge("jvm_threads_current", "zk_jvm_threads_current",
        "Threads that live at this moment, daemon threads included (mntr key jvm_threads_current)")
        .provider_only(),
    gauge("jvm_threads_daemon", "zk_jvm_threads_daemon",
        "Daemon threads that live at this moment (mntr key jvm_threads_daemon)")
        .provider_only(),
    gauge("jvm_threads_deadlocked", "zk_jvm_threads_deadlocked",
        "Threads in a deadlock over monitors or locks; anything but 0 is a fault (mntr key jvm_threads_deadlocked)")
        .provider_only().essential(),
    gauge("jvm_threads_deadlocked_monitor", "zk_jvm_threads_deadlocked_monitor",
        "Threads in a deadlock over monitors alone; anything but 0 is a fault (mntr key jvm_threads_deadlocked_monitor)")
        .provider_only(),
    gauge("jvm_threads_peak", "zk_jvm_threads_peak",
        "Most threads that lived at one time since the process started (mntr key jvm_threads_peak)")
        .provider_only(),
    counter("jvm_threads_started_total", "zk_jvm_threads_started",
        "Threads started since the process started (mntr key jvm_threads_started_total)")
        .provider_only().aliases(&["jvm_threads_started"]),
    gauge("jvm_threads_state", "zk_jvm_threads_state",
        "Threads in each state (mntr key jvm_threads_state)")
        .by(Label::Same(&["state"])).provider_only(),
    counter("process_cpu_seconds_total", "zk_process_cpu_seconds",
        "CPU time of the server process, user and system together; above 1 per second it keeps more than one core busy (mntr key process_cpu_seconds_total)")
        .seconds().provider_only().aliases(&["process_cpu_seconds"]),
    gauge("process_max_fds", "zk_process_max_fds",
        "Most file descriptors the server process may open; absent where there is no limit (mntr key process_max_fds)")
        .limit().provider_only(),
    gauge("process_open_fds", "zk_process_open_fds",
        "File descriptors the server process holds open; compare with zk_process_max_fds (mntr key process_open_fds)")
        .provider_only(),
    gauge("process_resident_memory_bytes", "zk_process_resident_memory_bytes",
        "Memory of the server process that is in RAM (mntr key process_resident_memory_bytes)")
        .bytes().provider_only(),
    gauge("process_start_time_seconds", "zk_process_start_time_seconds",
        "When the server process started, in seconds since 1970; a change is a restart, unlike zk_uptime_seconds (mntr key process_start_time_seconds)")
        .seconds().provider_only(),
    gauge("process_virtual_memory_bytes", "zk_process_virtual_memory_bytes",
        "Address space of the server process; large and harmless on 64 bit (mntr key process_virtual_memory_bytes)")
        .bytes().provider_only(),
];
