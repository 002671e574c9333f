// What users of the mixin change: `(import 'mixin.libsonnet') + { _config+:: { ... } }`.
{
  _config+:: {
    // Matchers for the exporter's series in expressions, e.g. 'job="zookeeper-exporter"'; all of them where it is empty.
    selector: '',

    // Labels that every alert gets beside severity, e.g. { team: 'storage' }.
    labels: {},

    // Limits by alert, without the prefix ZooKeeper, in seconds, bytes, fractions of 1 or counts:
    //   OutstandingRequests: { warning: 20, critical: 200, 'for': '10m' }
    //   SlowFsync: { warning: 0.05, critical: false }   (false is off, true is on with the catalogue's limit)
    //   JvmPauses: false
    thresholds: {},

    // What modules of the exporter have: rules about a canary, clients, digests, znodes or the member's host need it.
    canary: false,
    clients: false,
    digests: false,
    znodes: false,
    host: false,

    // Where the runbooks are; the name of the alert and .md are added.
    runbookUrl: (import 'rules.json').runbook_url,

    // Tags and refresh interval of dashboards; those of the files where they are null.
    dashboardTags: null,
    dashboardRefresh: null,
  },
}
