{{/*
The effective levels: config.alerts.thresholds over the catalogue's, as JSON {condition: {level: {limit, text, for, for_seconds, for_text}}},
without levels that are off. Settings that the exporter would refuse fail the rendering.
*/}}
{{- define "zookeeper-exporter.levels" -}}
{{- $model := .Files.Get "files/rules.json" | fromJson -}}
{{- $set := dict -}}
{{- range $written, $setting := ((.Values.config.alerts | default dict).thresholds | default dict) -}}
{{- $name := trimPrefix "ZooKeeper" $written -}}
{{- if not (hasKey $model.alerts $name) -}}{{ fail (printf "config.alerts.thresholds: unknown alert %s" $written) }}{{- end -}}
{{- if hasKey $set $name -}}{{ fail (printf "config.alerts.thresholds: %s is set twice" $name) }}{{- end -}}
{{- $_ := set $set $name $setting -}}
{{- end -}}
{{- $levels := dict -}}
{{- range $name, $alert := $model.alerts -}}
{{- $here := dict "name" $name "alert" $alert "setting" (get $set $name) "is_set" (hasKey $set $name) -}}
{{- $_ := set $levels $name (include "zookeeper-exporter.levels.ofAlert" $here | fromJson) -}}
{{- end -}}
{{- toJson $levels -}}
{{- end }}

{{/* The levels of one alert that are on. */}}
{{- define "zookeeper-exporter.levels.ofAlert" -}}
{{- $setting := .setting -}}
{{- $isMap := kindIs "map" $setting -}}
{{- $alert := .alert -}}
{{- $name := .name -}}
{{- $found := dict -}}
{{- range $level, $default := .alert.levels -}}
{{- $said := "" -}}
{{- if and $isMap (hasKey $setting $level) -}}{{- $said = get $setting $level | toString -}}
{{- else if and $.is_set (not $isMap) -}}{{- $said = toString $setting -}}{{- end -}}
{{- $on := $default.on -}}
{{- $limit := $default.limit -}}
{{- $text := $default.text -}}
{{- if has $said (list "true" "on") -}}{{- $on = true -}}
{{- else if has $said (list "false" "off") -}}{{- $on = false -}}
{{- else if $said -}}
{{- $on = true -}}
{{- $where := printf "config.alerts.thresholds.%s.%s" $name $level -}}
{{- $read := include "zookeeper-exporter.limit" (dict "unit" $alert.unit "value" (get $setting $level) "where" $where) | fromJson -}}
{{- $limit = $read.limit -}}
{{- $text = $read.text -}}
{{- end -}}
{{- $hold := $default.for -}}
{{- $holdText := $default.for_text -}}
{{- if and $isMap (hasKey $setting "for") -}}
{{- $hold = $setting.for -}}
{{- $holdText = $setting.for -}}
{{- $seconds := include "zookeeper-exporter.seconds" $hold | int64 -}}
{{- if gt $seconds 604800 -}}{{ fail (printf "config.alerts.thresholds.%s.for: %s is longer than a week" $name $hold) }}{{- end -}}
{{- if eq $seconds 0 -}}{{- $hold = "0s" -}}{{- $holdText = "a moment" -}}{{- end -}}
{{- end -}}
{{- if $on -}}
{{- $_ := set $found $level (dict "limit" (include "zookeeper-exporter.number" $limit) "text" $text "for" $hold "for_seconds" (include "zookeeper-exporter.seconds" $hold) "for_text" $holdText) -}}
{{- end -}}
{{- end -}}
{{- if .is_set -}}{{- include "zookeeper-exporter.levels.check" (dict "name" $name "alert" $alert "levels" $found) -}}{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* A warning must come before its alarm, and leave the early-warning score a steepness. */}}
{{- define "zookeeper-exporter.levels.check" -}}
{{- $where := printf "config.alerts.thresholds.%s" .name -}}
{{- $warning := (.levels.warning | default dict).limit | default "" -}}
{{- $critical := (.levels.critical | default dict).limit | default "" -}}
{{- if and $warning $critical -}}
{{- $larger := .alert.larger_is_worse -}}
{{- if or (and $larger (ge (float64 $warning) (float64 $critical))) (and (not $larger) (le (float64 $warning) (float64 $critical))) -}}
{{- fail (printf "%s: the warning %s is not %s the critical level %s: it would never warn" $where $warning (ternary "below" "above" $larger) $critical) -}}
{{- end -}}
{{- end -}}
{{- if and $warning .alert.indicator -}}
{{- $curve := include "zookeeper-exporter.curve" (dict "alert" .alert "levels" .levels) | fromJson -}}
{{- if le (float64 $curve.tau) 0.0 -}}
{{- fail (printf "%s: the warning %s gives its early-warning score no steepness: expected a limit %s, or off" $where $warning (ternary "below 100 %" "above 0" .alert.indicator.falls)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* nu, tau and sigma of an indicator whose warning is on: docs/early-warning.md. */}}
{{- define "zookeeper-exporter.curve" -}}
{{- $falls := .alert.indicator.falls -}}
{{- $nu := float64 .levels.warning.limit -}}
{{- if $falls -}}{{- $nu = round (subf 1.0 $nu) 6 -}}{{- end -}}
{{- $tau := divf $nu 6.0 -}}
{{- $critical := dict -}}
{{- if (.levels.critical | default dict).limit -}}
{{- $_ := set $critical "limit" (float64 .levels.critical.limit) -}}
{{- else if not (kindIs "invalid" (.alert.levels.critical | default dict).limit) -}}
{{- $_ := set $critical "limit" (float64 .alert.levels.critical.limit) -}}
{{- end -}}
{{- if hasKey $critical "limit" -}}
{{- $limit := $critical.limit -}}
{{- if $falls -}}{{- $limit = round (subf 1.0 $limit) 6 -}}{{- end -}}
{{- if or (gt $limit $nu) (.levels.critical | default dict).limit -}}
{{- $tau = minf $tau (divf (subf $limit $nu) 2.1972245773362196) -}}
{{- end -}}
{{- end -}}
{{- dict "nu" (printf "%.15g" $nu) "tau" (include "zookeeper-exporter.rounded" $tau) "sigma" (include "zookeeper-exporter.rounded" (divf $nu 20.0)) | toJson -}}
{{- end }}

{{/* A limit as written: {limit: number of the unit, text: for people}. */}}
{{- define "zookeeper-exporter.limit" -}}
{{- $factors := dict "number" (dict "" 1.0) "ratio" (dict "" 1.0 "%" 0.01)
  "seconds" (dict "" 1.0 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0)
  "bytes" (dict "" 1.0 "KiB" 1024.0 "MiB" 1048576.0 "GiB" 1073741824.0 "kB" 1e3 "MB" 1e6 "GB" 1e9) -}}
{{- $text := ternary .value (include "zookeeper-exporter.number" .value) (kindIs "string" .value) -}}
{{- $number := regexFind "^[0-9.]+" $text -}}
{{- $suffix := trimPrefix $number $text | trim -}}
{{- $known := get $factors .unit -}}
{{- if or (not $number) (not (hasKey $known $suffix)) -}}{{ fail (printf "%s: invalid limit %s" .where $text) }}{{- end -}}
{{- $value := mulf (float64 $number) (get $known $suffix) -}}
{{- if and (eq .unit "ratio") (gt $value 10.0) -}}{{ fail (printf "%s: %s: expected a fraction of 1, e.g. 0.85 or 85%%" .where $text) }}{{- end -}}
{{- if and (not $suffix) (eq .unit "seconds") -}}{{- $text = printf "%s s" $text -}}{{- end -}}
{{- if and (not $suffix) (eq .unit "bytes") -}}{{- $text = printf "%s B" $text -}}{{- end -}}
{{- dict "limit" $value "text" $text | toJson -}}
{{- end }}

{{/* A number as Prometheus reads it; nothing for no number. */}}
{{- define "zookeeper-exporter.number" -}}
{{- if not (kindIs "invalid" .) -}}{{- printf "%.15g" (float64 .) -}}{{- end -}}
{{- end }}

{{/* Four digits, without an exponent. */}}
{{- define "zookeeper-exporter.rounded" -}}
{{- printf "%.4g" . | float64 | printf "%.15g" -}}
{{- end }}

{{/* The seconds of a duration such as 1h30m. */}}
{{- define "zookeeper-exporter.seconds" -}}
{{- $total := 0 -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 "w" 604800 -}}
{{- range regexFindAll "[0-9]+[a-z]" . -1 -}}
{{- $size := get $units (regexFind "[a-z]" .) -}}
{{- $total = add $total (mul (regexFind "[0-9]+" . | int64) $size) -}}
{{- end -}}
{{- $total -}}
{{- end }}
