// Rules with the thresholds, labels and selector of _config in place of their placeholders.
local model = import 'rules.json';
local thresholds = import 'thresholds.libsonnet';

local fill(text, values) = std.foldl(function(text, name) std.strReplace(text, name, values[name]), std.objectFields(values), text);

{
  local config = $._config,
  local levels = thresholds.levels(config.thresholds),
  local curves = thresholds.curves(levels),
  local selector = {
    __SELECTOR__: if config.selector == '' then '' else '{%s}' % config.selector,
    __MATCHERS__: if config.selector == '' then '' else config.selector + ',',
  },

  local alert(entry) =
    local level = levels[entry.condition][entry.level];
    local limit = if level.limit == null then {} else { __LIMIT__: thresholds.number(level.limit), __LIMIT_TEXT__: level.text };
    local words = limit { __FOR_TEXT__: level.for_text };
    if !level.on then [] else [entry.rule {
      expr: fill(super.expr, selector + limit + { __FOR_SECONDS__: '%d' % thresholds.seconds(level['for']) }),
      [if level['for'] != '0s' then 'for']: level['for'],
      labels+: config.labels,
      annotations+: {
        description: fill(super.description, words),
        runbook_url: std.strReplace(super.runbook_url, model.runbook_url, std.rstripChars(config.runbookUrl, '/')),
        [if config.dashboardUrl != null then 'dashboard_url']: '%s/%s' % [std.rstripChars(config.dashboardUrl, '/'), entry.dashboard],
      },
    }],

  local record(entry) =
    if !std.objectHas(entry, 'indicator') then [entry.rule { expr: fill(super.expr, selector) }]
    else if !std.objectHas(curves, entry.indicator) then []
    else
      local curve = curves[entry.indicator];
      [entry.rule { expr: fill(super.expr, selector { __NU__: curve.nu, __TAU__: curve.tau, __SIGMA__: curve.sigma }) }],

  local rules(group) = std.flatMap(
    function(entry)
      if std.objectHas(entry, 'needs') && !config[entry.needs] then []
      else if std.objectHas(entry, 'condition') then alert(entry)
      else record(entry),
    group.rules,
  ),

  // Groups with alerts have the recording rules that these need before them: they stay together.
  local groups = [group { rules: rules(group) } for group in model.groups],
  local with(wanted) = [group for group in groups if group.rules != [] && std.length([1 for rule in group.rules if std.objectHas(rule, 'alert')]) > 0 == wanted],

  prometheusAlerts+:: { groups+: with(true) },
  prometheusRules+:: { groups+: with(false) },
}
