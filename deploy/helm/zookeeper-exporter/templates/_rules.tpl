{{/* The probes of the configured modules that some rules need, as a JSON list. */}}
{{- define "zookeeper-exporter.has" -}}
{{- $found := list -}}
{{- range $name, $module := (.Values.config.modules | default dict) -}}
{{- range $key := list "canary" "clients" "digests" "znodes" "host" -}}
{{- if and (hasKey ($module | default dict) $key) (ne (toString (get $module $key)) "false") -}}{{- $found = append $found $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $found | uniq | toJson -}}
{{- end }}

{{/* Why the chart cannot generate the rules of this configuration; empty if it can. */}}
{{- define "zookeeper-exporter.rules.beyond" -}}
{{- $config := .Values.config -}}
{{- $beyond := list -}}
{{- range $key := list "ensembles" "keep_labels" "jvm" "zookeeper" -}}
{{- if hasKey ($config.alerts | default dict) $key -}}{{- $beyond = append $beyond (printf "config.alerts.%s" $key) -}}{{- end -}}
{{- end -}}
{{- if $config.profile -}}{{- $beyond = append $beyond "config.profile" -}}{{- end -}}
{{- range $config.ensembles -}}
{{- if .profile -}}{{- $beyond = append $beyond (printf "the profile of ensemble %s" .name) -}}{{- end -}}
{{- end -}}
{{- join ", " $beyond -}}
{{- end }}

{{/* The groups of rules, as YAML. */}}
{{- define "zookeeper-exporter.rules" -}}
{{- if .Values.prometheusRule.rules -}}
{{- $file := .Values.prometheusRule.rules | fromYaml -}}
{{- if or $file.Error (not (kindIs "slice" $file.groups)) (not $file.groups) -}}{{ fail "prometheusRule.rules: expected a rule file of Prometheus, as `zookeeper-exporter rules` writes it" }}{{- end -}}
{{- toYaml $file.groups -}}
{{- else -}}
{{- with include "zookeeper-exporter.rules.beyond" . -}}
{{- fail (printf "%s: the chart cannot generate these rules: generate them with `zookeeper-exporter rules --config.file FILE` and pass them with --set-file prometheusRule.rules=FILE, or disable prometheusRule" .) -}}
{{- end -}}
{{- $model := .Files.Get "files/rules.json" | fromJson -}}
{{- $levels := include "zookeeper-exporter.levels" . | fromJson -}}
{{- $has := include "zookeeper-exporter.has" . | fromJsonArray -}}
{{- $alerts := .Values.config.alerts | default dict -}}
{{- $curves := dict -}}
{{- range $name, $alert := $model.alerts -}}
{{- if and $alert.indicator (get (get $levels $name) "warning") -}}
{{- $_ := set $curves $alert.indicator.name (include "zookeeper-exporter.curve" (dict "alert" $alert "levels" (get $levels $name)) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- $groups := list -}}
{{- range $group := $model.groups -}}
{{- $rules := list -}}
{{- range $entry := $group.rules -}}
{{- $rule := $entry.rule -}}
{{- $_ := set $rule "expr" ($rule.expr | replace "__SELECTOR__" "" | replace "__MATCHERS__" "") -}}
{{- $wanted := or (not $entry.needs) (has $entry.needs $has) -}}
{{- if and $wanted $entry.condition -}}
{{- $level := get (get $levels $entry.condition) $entry.level -}}
{{- $wanted = not (empty $level) -}}
{{- if $wanted -}}
{{- $_ := set $rule "expr" ($rule.expr | replace "__LIMIT__" $level.limit | replace "__FOR_SECONDS__" $level.for_seconds) -}}
{{- if ne $level.for "0s" -}}{{- $_ := set $rule "for" $level.for -}}{{- end -}}
{{- $description := $rule.annotations.description | replace "__LIMIT_TEXT__" (toString $level.text) | replace "__FOR_TEXT__" $level.for_text -}}
{{- $_ := set $rule.annotations "description" $description -}}
{{- with $alerts.runbook_url -}}
{{- $_ := set $rule.annotations "runbook_url" ($rule.annotations.runbook_url | replace $model.runbook_url (trimSuffix "/" .)) -}}
{{- end -}}
{{- with $alerts.dashboard_url -}}
{{- $_ := set $rule.annotations "dashboard_url" (printf "%s/%s" (trimSuffix "/" .) $entry.dashboard) -}}
{{- end -}}
{{- range $label, $value := ($alerts.labels | default dict) -}}{{- $_ := set $rule.labels $label $value -}}{{- end -}}
{{- end -}}
{{- else if and $wanted $entry.indicator -}}
{{- $wanted = hasKey $curves $entry.indicator -}}
{{- if $wanted -}}
{{- $curve := get $curves $entry.indicator -}}
{{- $_ := set $rule "expr" ($rule.expr | replace "__NU__" $curve.nu | replace "__TAU__" $curve.tau | replace "__SIGMA__" $curve.sigma) -}}
{{- end -}}
{{- end -}}
{{- if $wanted -}}{{- $rules = append $rules $rule -}}{{- end -}}
{{- end -}}
{{- if $rules -}}{{- $_ := set $group "rules" $rules -}}{{- $groups = append $groups $group -}}{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
{{- end }}
