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
        "Currently loaded classes; renamed, because zk_jvm_classes_loaded_total has the same family name (mntr key jvm_classes_loaded)")
        .provider_only().aliases(&["jvm_classes_currently_loaded"]),
    counter("jvm_classes_loaded_total", "zk_jvm_classes_loaded",
        "Classes loaded since the process started (mntr key jvm_classes_loaded_total)")
        .provider_only(),
    counter("jvm_classes_unloaded_total", "zk_jvm_classes_unloaded",
        "Classes unloaded since the process started (mntr key jvm_classes_unloaded_total)")
        .provider_only().aliases(&["jvm_classes_unloaded"]),
    counter("jvm_compilation_time_seconds", "zk_jvm_compilation_time_seconds",
        "Time the JVM spent compiling bytecode (mntr key jvm_compilation_time_seconds)")
        .seconds().since("3.10.0").provider_only().aliases(&["jvm_compilation_time_seconds_total"]),
    basic("jvm_gc_collection_seconds", "zk_jvm_gc_collection_seconds",
        "Time spent in each garbage collector; _count is the number of its runs; long ones end sessions and leadership (mntr keys jvm_gc_collection_seconds_count, _sum)")
        .seconds().by(Label::Same(&["gc"])).provider_only().essential(),
    gauge("jvm_memory_bytes_committed", "zk_jvm_memory_committed_bytes",
        "Memory committed by the JVM, heap and non-heap (mntr key jvm_memory_bytes_committed)")
        .bytes().by(Label::Same(&["area"])).provider_only().aliases(&["jvm_memory_committed_bytes"]),
    gauge("jvm_memory_bytes_init", "zk_jvm_memory_init_bytes",
        "Memory that the JVM requested at its start; absent if undefined (mntr key jvm_memory_bytes_init)")
        .bytes().by(Label::Same(&["area"])).minus_one_is_none().provider_only().aliases(&["jvm_memory_init_bytes"]),
    gauge("jvm_memory_bytes_max", "zk_jvm_memory_max_bytes",
        "Maximum memory the JVM may use (-Xmx for the heap); absent if unlimited (mntr key jvm_memory_bytes_max)")
        .bytes().by(Label::Same(&["area"])).limit().provider_only().aliases(&["jvm_memory_max_bytes"]).essential(),
    gauge("jvm_memory_objects_pending_finalization", "zk_jvm_memory_objects_pending_finalization",
        "Objects pending finalization (mntr key jvm_memory_objects_pending_finalization)")
        .since("3.10.0").provider_only(),
    counter("jvm_memory_pool_allocated_bytes_total", "zk_jvm_memory_pool_allocated_bytes",
        "Bytes allocated in a memory pool; updated at garbage collections only (mntr key jvm_memory_pool_allocated_bytes_total)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_allocated_bytes"]),
    gauge("jvm_memory_pool_collection_committed_bytes", "zk_jvm_memory_pool_collection_committed_bytes",
        "Memory committed for a pool after its last garbage collection (mntr key jvm_memory_pool_collection_committed_bytes)")
        .bytes().by(Label::Same(&["pool"])).since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_init_bytes", "zk_jvm_memory_pool_collection_init_bytes",
        "Initial memory of a pool, as of its last garbage collection; absent if undefined (mntr key jvm_memory_pool_collection_init_bytes)")
        .bytes().by(Label::Same(&["pool"])).minus_one_is_none().since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_max_bytes", "zk_jvm_memory_pool_collection_max_bytes",
        "Maximum memory of a pool, as of its last garbage collection; absent if unlimited (mntr key jvm_memory_pool_collection_max_bytes)")
        .bytes().by(Label::Same(&["pool"])).limit().since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_collection_used_bytes", "zk_jvm_memory_pool_collection_used_bytes",
        "Memory used by a pool after its last garbage collection: its live objects (mntr key jvm_memory_pool_collection_used_bytes)")
        .bytes().by(Label::Same(&["pool"])).since("3.10.0").provider_only(),
    gauge("jvm_memory_pool_bytes_committed", "zk_jvm_memory_pool_committed_bytes",
        "Memory committed for a pool (mntr key jvm_memory_pool_bytes_committed)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_committed_bytes"]),
    gauge("jvm_memory_pool_bytes_init", "zk_jvm_memory_pool_init_bytes",
        "Initial memory of a pool; absent if undefined (mntr key jvm_memory_pool_bytes_init)")
        .bytes().by(Label::Same(&["pool"])).minus_one_is_none().provider_only().aliases(&["jvm_memory_pool_init_bytes"]),
    gauge("jvm_memory_pool_bytes_max", "zk_jvm_memory_pool_max_bytes",
        "Maximum memory of a pool; absent if unlimited (mntr key jvm_memory_pool_bytes_max)")
        .bytes().by(Label::Same(&["pool"])).limit().provider_only().aliases(&["jvm_memory_pool_max_bytes"]),
    gauge("jvm_memory_pool_bytes_used", "zk_jvm_memory_pool_used_bytes",
        "Memory used by a pool, including garbage that is not collected yet (mntr key jvm_memory_pool_bytes_used)")
        .bytes().by(Label::Same(&["pool"])).provider_only().aliases(&["jvm_memory_pool_used_bytes"]),
    gauge("jvm_memory_bytes_used", "zk_jvm_memory_used_bytes",
        "Memory used by the JVM, including garbage that is not collected yet (mntr key jvm_memory_bytes_used)")
        .bytes().by(Label::Same(&["area"])).provider_only().aliases(&["jvm_memory_used_bytes"]).essential(),
    gauge("jvm_threads_current", "zk_jvm_threads_current",
        "Live threads, including daemon threads (mntr key jvm_threads_current)")
        .provider_only(),
    gauge("jvm_threads_daemon", "zk_jvm_threads_daemon",
        "Live daemon threads (mntr key jvm_threads_daemon)")
        .provider_only(),
    gauge("jvm_threads_deadlocked", "zk_jvm_threads_deadlocked",
        "Threads deadlocked on monitors or locks; any value above 0 is a fault (mntr key jvm_threads_deadlocked)")
        .provider_only().essential(),
    gauge("jvm_threads_deadlocked_monitor", "zk_jvm_threads_deadlocked_monitor",
        "Threads deadlocked on monitors only; any value above 0 is a fault (mntr key jvm_threads_deadlocked_monitor)")
        .provider_only(),
    gauge("jvm_threads_peak", "zk_jvm_threads_peak",
        "Peak number of live threads since the process started (mntr key jvm_threads_peak)")
        .provider_only(),
    counter("jvm_threads_started_total", "zk_jvm_threads_started",
        "Threads started since the process started (mntr key jvm_threads_started_total)")
        .provider_only().aliases(&["jvm_threads_started"]),
    gauge("jvm_threads_state", "zk_jvm_threads_state",
        "Threads in each state (mntr key jvm_threads_state)")
        .by(Label::Same(&["state"])).provider_only(),
    counter("process_cpu_seconds_total", "zk_process_cpu_seconds",
        "CPU time of the server process, user and system; a rate above 1 keeps more than one core busy (mntr key process_cpu_seconds_total)")
        .seconds().provider_only().aliases(&["process_cpu_seconds"]),
    gauge("process_max_fds", "zk_process_max_fds",
        "Maximum number of file descriptors the server process may open; absent if unlimited (mntr key process_max_fds)")
        .limit().provider_only(),
    gauge("process_open_fds", "zk_process_open_fds",
        "Open file descriptors of the server process; compare with zk_process_max_fds (mntr key process_open_fds)")
        .provider_only(),
    gauge("process_resident_memory_bytes", "zk_process_resident_memory_bytes",
        "Resident memory of the server process (mntr key process_resident_memory_bytes)")
        .bytes().provider_only(),
    gauge("process_start_time_seconds", "zk_process_start_time_seconds",
        "Start time of the server process, in seconds since 1970; unlike zk_uptime_seconds it changes at a restart only (mntr key process_start_time_seconds)")
        .seconds().provider_only(),
    gauge("process_virtual_memory_bytes", "zk_process_virtual_memory_bytes",
        "Virtual memory of the server process; large values are harmless on 64 bit (mntr key process_virtual_memory_bytes)")
        .bytes().provider_only(),
];
