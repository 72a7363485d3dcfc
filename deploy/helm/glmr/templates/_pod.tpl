{{- define "glmr.environment" -}}
envFrom:
  - secretRef:
      name: {{ .Values.secret | quote }}
  - configMapRef:
      name: {{ .Release.Name }}-settings
{{- end }}

{{- define "glmr.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "glmr.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "glmr.mounts" -}}
volumeMounts:
  - name: data
    mountPath: /data
  - name: temporary
    mountPath: /tmp
{{- end }}

{{- define "glmr.volumes" -}}
volumes:
  - name: data
    persistentVolumeClaim:
      claimName: {{ .Release.Name }}-data
  - name: temporary
    emptyDir: {}
{{- end }}

{{- define "glmr.scratchVolumes" -}}
volumes:
  - name: data
    emptyDir: {}
  - name: temporary
    emptyDir: {}
{{- end }}
