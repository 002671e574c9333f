{{- define "zookeeper-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "zookeeper-exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- $name := include "zookeeper-exporter.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "zookeeper-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "zookeeper-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "zookeeper-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* As YAML; what is the chart's own wins over commonLabels, so that selectors hold. */}}
{{- define "zookeeper-exporter.labels" -}}
{{- merge (include "zookeeper-exporter.ownLabels" . | fromYaml) .Values.commonLabels | toYaml }}
{{- end }}

{{- define "zookeeper-exporter.ownLabels" -}}
{{ include "zookeeper-exporter.selectorLabels" . }}
app.kubernetes.io/component: exporter
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The head of an object: (dict "root" $ "namespace" "" "labels" {} "annotations" {} "suffix" "") */}}
{{- define "zookeeper-exporter.metadata" -}}
metadata:
  name: {{ include "zookeeper-exporter.fullname" .root }}{{ .suffix }}
  namespace: {{ .namespace | default (include "zookeeper-exporter.namespace" .root) }}
  labels:
    {{- merge (dict) (.labels | default dict) (include "zookeeper-exporter.labels" .root | fromYaml) | toYaml | nindent 4 }}
  {{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "zookeeper-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "zookeeper-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "zookeeper-exporter.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "zookeeper-exporter.configMapName" -}}
{{- .Values.existingConfigMap | default (include "zookeeper-exporter.fullname" .) }}
{{- end }}

{{/* The handler of a probe. With web.existingSecret the page may need TLS and a password; the command needs neither. */}}
{{- define "zookeeper-exporter.probe" -}}
{{- if .root.Values.web.existingSecret }}
exec:
  command: [zookeeper-exporter, healthy]
{{- else }}
httpGet:
  path: {{ .path }}
  port: metrics
{{- end }}
{{- with .settings }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What ServiceMonitor and PodMonitor say of a scrape. */}}
{{- define "zookeeper-exporter.endpoint" -}}
{{- with .monitor -}}
- port: metrics
  path: {{ $.root.Values.web.telemetryPath }}
  interval: {{ .interval }}
  scrapeTimeout: {{ .scrapeTimeout }}
  scheme: {{ .scheme }}
  {{- with .tlsConfig }}
  tlsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .basicAuth }}
  basicAuth:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
