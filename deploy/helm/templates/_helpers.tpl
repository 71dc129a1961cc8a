{{/* The name of the resources, as `helm create` makes it. */}}
{{- define "flow-pipelines.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $found := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $found = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $found = .Release.Name -}}
{{- end -}}
{{- $found = $found | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]" $found) -}}
{{- fail (printf "%s can't be the name of a Service, which begins with a letter: set fullnameOverride." $found) -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* What selects the pods of a component: of this release only. Takes the root and the component. */}}
{{- define "flow-pipelines.selector" -}}
app.kubernetes.io/name: flow-pipelines
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
{{- end -}}

{{- define "flow-pipelines.labels" -}}
{{ include "flow-pipelines.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "flow-pipelines.podLabels" -}}
{{ include "flow-pipelines.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | quote }}
{{- end -}}

{{- define "flow-pipelines.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* A value as the text that it is in values.yaml: a large whole number would get an exponent. */}}
{{- define "flow-pipelines.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- end -}}

{{/* What the schema can't say of several values. */}}
{{- define "flow-pipelines.checks" -}}
{{- with .Values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas is %v, and maxReplicas %v: raise that to it or more." .minReplicas .maxReplicas) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The settings of `serve`. */}}
{{- define "flow-pipelines.settings" -}}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ include "flow-pipelines.text" $value | quote }}
{{- end }}
{{- if .Values.grpc.enabled }}
GRPC_PORT: {{ .Values.grpc.port | quote }}
{{- end }}
{{- end -}}

{{/* The end of a pod, added up: what is cut off is said here, and not by a request that is lost. */}}
{{- define "flow-pipelines.grace" -}}
{{- $delay := dig "SHUTDOWN_DELAY" 5 .Values.settings | float64 -}}
{{- $drain := dig "DRAIN_TIMEOUT" 10 .Values.settings | float64 -}}
{{- $needed := addf .Values.preStopSeconds $delay $drain $drain -}}
{{- if gt $needed (float64 .Values.terminationGracePeriodSeconds) -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, but preStopSeconds + SHUTDOWN_DELAY + 2 x DRAIN_TIMEOUT are %v: raise it to that or more, or lower the others." .Values.terminationGracePeriodSeconds $needed) -}}
{{- end -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}

{{/* What a pod reserves and may have: a limit of memory that is empty is what the ports need, and none at all stays so. */}}
{{- define "flow-pipelines.resources" -}}
{{- $resources := deepCopy .Values.resources -}}
{{- if eq (dig "limits" "memory" nil $resources | toString) "" -}}
{{- $_ := set $resources.limits "memory" (ternary "512Mi" "256Mi" .Values.grpc.enabled) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* The limit of memory as an option of `doctor`, which takes whole MiB; nothing where it is no such number. */}}
{{- define "flow-pipelines.memory" -}}
{{- $limit := dig "limits" "memory" "" (include "flow-pipelines.resources" . | fromYaml) | toString -}}
{{- if regexMatch "^[0-9]+Mi$" $limit }} --memory {{ trimSuffix "Mi" $limit }}
{{- else if regexMatch "^[0-9]+Gi$" $limit }} --memory {{ trimSuffix "Gi" $limit | int | mul 1024 }}
{{- end -}}
{{- end -}}

{{- define "flow-pipelines.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The certificate of the database's authority, as a volume of a pod and as a mount of its container. */}}
{{- define "flow-pipelines.volumes" -}}
{{- with .Values.database.authoritySecret }}
{{- if .name }}
volumes:
  - name: database-authority
    secret:
      secretName: {{ .name }}
      items:
        - key: {{ .key }}
          path: ca.crt
{{- end }}
{{- end }}
{{- end -}}

{{- define "flow-pipelines.volumeMounts" -}}
{{- if .Values.database.authoritySecret.name }}
volumeMounts:
  - name: database-authority
    mountPath: /etc/database-authority
    readOnly: true
{{- end }}
{{- end -}}

{{/* A hook of Helm, in its turn among the others: what is there from before goes first, as a Job can't be changed. */}}
{{- define "flow-pipelines.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: {{ .delete }}
{{- end -}}
