// The effective levels: _config.thresholds over the catalogue's. Settings that the exporter would refuse are errors.
local model = import 'rules.json';

local number(value) = '%.15g' % value;

// Four digits, as the exporter writes steepness: %.4g of jsonnet counts the zeros behind the point.
local rounded(value) =
  local factor = std.pow(10, 3 - std.floor(std.log(std.abs(value)) / std.log(10)));
  number(if value == 0 then 0 else std.round(value * factor) / factor);

// The seconds of a duration such as 1h30m.
local seconds(text) =
  local sizes = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  local step(read, char) =
    if std.member('0123456789', char) then read { digits: super.digits * 10 + std.parseInt(char) }
    else read { digits: 0, total: super.total + read.digits * sizes[char] };
  std.foldl(step, std.stringChars(text), { digits: 0, total: 0 }).total;

// The limit of one level as people read it, where it is not the catalogue's.
local text(unit, limit) =
  if unit == 'seconds' then number(limit) + ' s'
  else if unit == 'bytes' then number(limit) + ' B'
  else if unit == 'ratio' then number(limit * 100) + ' %'
  else number(limit);

local refuse(name, why) = error '_config.thresholds.%s: %s' % [name, why];

local level(name, alert, severity, setting) =
  local default = alert.levels[severity];
  local said =
    if std.isBoolean(setting) then setting
    else if std.isObject(setting) && std.objectHas(setting, severity) then setting[severity]
    else null;
  local hold = if std.isObject(setting) && std.objectHas(setting, 'for') then { 'for': setting['for'], for_text: setting['for'] } else {};
  if std.isNumber(said) && default.limit == null then refuse(name, 'there is no number to set: expected true or false')
  else if std.isNumber(said) && said < 0 then refuse(name, '%s is below 0' % number(said))
  else if std.isNumber(said) && alert.unit == 'ratio' && said > 10 then refuse(name, '%s: expected a fraction of 1, e.g. 0.85' % number(said))
  else if std.isNumber(said) then default + hold + { on: true, limit: said, text: text(alert.unit, said) }
  else if std.isBoolean(said) then default + hold + { on: said }
  else if said == null then default + hold
  else refuse(name, '%s: expected a number, true or false' % std.toString(said));

// nu, tau and sigma of an indicator whose warning is on: docs/early-warning.md.
local curve(alert, levels) =
  local of(limit) = if alert.indicator.falls then std.round((1 - limit) * 1e6) / 1e6 else limit;
  local nu = of(levels.warning.limit);
  local critical = std.get(levels, 'critical', { on: false, limit: null });
  local usual = std.get(alert.levels, 'critical', { limit: null }).limit;
  local end =
    if critical.on && critical.limit != null then of(critical.limit)
    else if usual != null && of(usual) > nu then of(usual)
    else null;
  local tau = if end == null then nu / 6 else std.min(nu / 6, (end - nu) / std.log(9));
  { nu: number(nu), tau: rounded(tau), sigma: rounded(nu / 20), positive:: tau > 0 };

local checked(name, alert, levels) =
  local limit(severity) = if std.objectHas(levels, severity) && levels[severity].on then levels[severity].limit else null;
  local warning = limit('warning'), critical = limit('critical');
  if warning != null && critical != null &&
     (if alert.larger_is_worse then warning >= critical else warning <= critical)
  then refuse(name, 'the warning %s is not before the critical level %s: it would never warn' % [number(warning), number(critical)])
  else if warning != null && std.objectHas(alert, 'indicator') && !curve(alert, levels).positive
  then refuse(name, 'the warning %s gives its early-warning score no steepness' % number(warning))
  else levels;

{
  // { condition: { severity: { on, limit, text, for, for_text } } }
  levels(thresholds)::
    local unknown = [name for name in std.objectFields(thresholds) if !std.objectHas(model.alerts, name)];
    if unknown != [] then refuse(unknown[0], 'there is no such alert')
    else {
      [name]:
        local alert = model.alerts[name];
        local setting = std.get(thresholds, name);
        local extra = if std.isObject(setting) then [key for key in std.objectFields(setting) if key != 'for' && !std.objectHas(alert.levels, key)] else [];
        if extra != [] then refuse(name, 'there is no level %s' % extra[0])
        else
          local levels = { [severity]: level(name, alert, severity, setting) for severity in std.objectFields(alert.levels) };
          if setting == null then levels else checked(name, alert, levels)
      for name in std.objectFields(model.alerts)
    },

  // { indicator: { nu, tau, sigma } } of those whose warning is on.
  curves(levels):: {
    [model.alerts[name].indicator.name]: curve(model.alerts[name], levels[name])
    for name in std.objectFields(model.alerts)
    if std.objectHas(model.alerts[name], 'indicator') && levels[name].warning.on
  },

  number:: number,
  seconds:: seconds,
}
