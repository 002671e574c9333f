// A monitoring mixin: prometheusAlerts, prometheusRules and grafanaDashboards, with _config to change them.
(import 'config.libsonnet') +
(import 'alerts.libsonnet') +
(import 'dashboards.libsonnet')
