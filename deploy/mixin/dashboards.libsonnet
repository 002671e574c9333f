// The shipped dashboards, with the tags and the refresh interval of _config.
{
  local dashboards = {
    'zookeeper-capacity.json': import '../../dashboards/zookeeper-capacity.json',
    'zookeeper-client.json': import '../../dashboards/zookeeper-client.json',
    'zookeeper-compare.json': import '../../dashboards/zookeeper-compare.json',
    'zookeeper-early-warning.json': import '../../dashboards/zookeeper-early-warning.json',
    'zookeeper-ensembles.json': import '../../dashboards/zookeeper-ensembles.json',
    'zookeeper-exporter.json': import '../../dashboards/zookeeper-exporter.json',
    'zookeeper-jvm.json': import '../../dashboards/zookeeper-jvm.json',
    'zookeeper-latency.json': import '../../dashboards/zookeeper-latency.json',
    'zookeeper-member.json': import '../../dashboards/zookeeper-member.json',
    'zookeeper-overview.json': import '../../dashboards/zookeeper-overview.json',
  },

  grafanaDashboards+:: {
    [name]: dashboards[name] {
      [if $._config.dashboardTags != null then 'tags']: $._config.dashboardTags,
      [if $._config.dashboardRefresh != null then 'refresh']: $._config.dashboardRefresh,
    }
    for name in std.objectFields(dashboards)
  },
}
