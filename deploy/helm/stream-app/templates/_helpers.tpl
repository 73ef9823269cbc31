{{- define "stream-app.labels" -}}
app.kubernetes.io/name: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* By digest where one is given: a tag may move. */}}
{{- define "stream-app.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- /* Of the first bootstrap server. */}}
{{- define "stream-app.brokerPort" -}}
{{ index (splitList "," (toString .Values.settings.STREAM_APP_BROKER)) 0 | splitList ":" | last }}
{{- end }}
