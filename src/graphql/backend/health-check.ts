import type { HealthCheck } from '../../routing/config/configuration.ts'
import { builder } from '../schema/builder.ts'

export const HealthCheckRef = builder.objectRef<HealthCheck>('HealthCheck').implement({
  description: 'Probes by GET; any 2xx is a success. A probe never runs inference.',
  fields: (t) => ({
    path: t.exposeString('path', { description: "Relative to the endpoint's origin." }),
    intervalMs: t.exposeInt('intervalMs', {
      description: 'Time from the start of one probe to the start of the next.',
    }),
    timeoutMs: t.exposeInt('timeoutMs', { description: 'Time after which a probe without an answer has failed.' }),
    unhealthyThreshold: t.exposeInt('unhealthyThreshold', {
      description: 'Failures in a row after which an endpoint is unhealthy.',
    }),
    healthyThreshold: t.exposeInt('healthyThreshold', {
      description: 'Successes in a row after which an endpoint is healthy again.',
    }),
  }),
})
