// Settings for users of the mixin: `(import 'mixin.libsonnet') + { _config+:: { ... } }`.
{
  _config+:: {
    // Matchers for the exporter's series in expressions, e.g. 'job="zookeeper-exporter"'; all of them if it is empty.
    selector: '',

    // Labels of every alert in addition to severity, e.g. { team: 'storage' }.
    labels: {},

    // Limits by alert, without the prefix ZooKeeper, in seconds, bytes, fractions of 1 or counts:
    //   OutstandingRequests: { warning: 20, critical: 200, 'for': '10m' }
    //   SlowFsync: { warning: 0.05, critical: false }   (false is off, true is on with the catalogue's limit)
    //   JvmPauses: false
    thresholds: {},

    // Probes of the exporter's modules: without one, the rules about it are omitted.
    canary: false,
    clients: false,
    digests: false,
    znodes: false,
    host: false,

    // URL of the runbooks; the name of the alert and .md are appended.
    runbookUrl: (import 'rules.json').runbook_url,

    // URL of the dashboards, e.g. 'https://grafana.example.com/d'; alerts have the annotation dashboard_url if it is set.
    dashboardUrl: null,

    // Tags and refresh interval of dashboards; null keeps those of the files.
    dashboardTags: null,
    dashboardRefresh: null,
  },
}
