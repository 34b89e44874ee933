{{/* The name of all objects: the release's, with tcpcheck in it. */}}
{{- define "tcpcheck.name" -}}
{{- ternary .Release.Name (printf "%s-tcpcheck" .Release.Name) (contains "tcpcheck" .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "tcpcheck.selector" -}}
app.kubernetes.io/name: tcpcheck
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tcpcheck.labels" -}}
{{ include "tcpcheck.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Whether the collector asks the API server for anything. */}}
{{- define "tcpcheck.asks" -}}
{{- if or .Values.observers .Values.leaderElection.enabled }}yes{{ end }}
{{- end }}

{{- define "tcpcheck.account" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "tcpcheck.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "tcpcheck.image" -}}
{{- $repository := ternary "tcpcheck-collector-discovery" "tcpcheck-collector" (eq (include "tcpcheck.asks" .) "yes") -}}
{{ .Values.image.repository | default $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* The configuration of the collector. */}}
{{- define "tcpcheck.config" -}}
{{- $receiver := deepCopy .Values.receiver -}}
{{- $extensions := dict -}}
{{- $exporters := dict -}}
{{- $_ := set $receiver "instances_file" "/etc/instances/*.yaml" -}}
{{- with .Values.defaults }}{{ $_ := set $receiver "defaults" . }}{{ end -}}
{{- with .Values.scrapeConfigs }}{{ $_ := set $receiver "scrape_configs" . }}{{ end -}}
{{- with .Values.targetAllocator -}}
{{- if .endpoint }}{{ $_ := set $receiver "target_allocator" (dict "endpoint" .endpoint "interval" .interval "collector_id" "${env:POD_NAME}") }}{{ end -}}
{{- end -}}
{{- if .Values.observers -}}
{{- $observers := list -}}
{{- range .Values.observers }}{{ $observers = append $observers (merge (deepCopy .) (dict "observer" "k8s_observer")) }}{{ end -}}
{{- $_ := set $receiver "observers" $observers -}}
{{- $observer := dict "auth_type" "serviceAccount" "observe_pods" true "observe_services" true -}}
{{- with .Values.observedNamespaces }}{{ $_ := set $observer "namespaces" . }}{{ end -}}
{{- $_ := set $extensions "k8s_observer" $observer -}}
{{- end -}}
{{- if .Values.leaderElection.enabled -}}
{{- $_ := set $receiver "k8s_leader_elector" "k8s_leader_elector" -}}
{{- $_ := set $extensions "k8s_leader_elector" (dict "auth_type" "serviceAccount" "lease_name" (include "tcpcheck.name" .) "lease_namespace" .Release.Namespace) -}}
{{- end -}}
{{- if .Values.prometheus.enabled }}{{ $_ := set $exporters "prometheus" (dict "endpoint" ":9464" "without_scope_info" true "resource_to_telemetry_conversion" (dict "enabled" true)) }}{{ end -}}
{{- with .Values.otlp -}}
{{- if .endpoint }}{{ $_ := set $exporters "otlp_grpc" (dict "endpoint" .endpoint "tls" (dict "insecure" .insecure)) }}{{ end -}}
{{- end -}}
{{- if not $exporters }}{{ fail "the results go nowhere: prometheus.enabled or otlp.endpoint" }}{{ end -}}
{{- $own := dict "pull" (dict "exporter" (dict "prometheus" (dict "host" "" "port" 9466))) -}}
{{- $attributes := list (dict "key" "host.name" "value" "${env:VANTAGE_POINT}" "action" "upsert") -}}
{{- $pipeline := dict "receivers" (list "tcpcheck") "processors" (list "resource") "exporters" (keys $exporters | sortAlpha) -}}
{{- $service := dict "extensions" (keys $extensions | sortAlpha) "telemetry" (dict "metrics" (dict "readers" (list $own))) "pipelines" (dict "metrics" $pipeline) -}}
{{- dict "extensions" $extensions "receivers" (dict "tcpcheck" $receiver) "processors" (dict "resource" (dict "attributes" $attributes)) "exporters" $exporters "service" $service | toYaml -}}
{{- end }}
