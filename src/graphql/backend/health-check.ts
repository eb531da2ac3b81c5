import type { HealthCheck } from '../../routing/config/configuration.ts'
import { builder } from '../schema/builder.ts'

export const HealthCheckRef = builder.objectRef<HealthCheck>('HealthCheck').implement({
  description: 'Probes by GET; any 2xx is a success. A probe never runs inference.',
  fields: (t) => ({
    path: t.exposeString('path', { description: "Relative to the endpoint's origin." }),
    intervalMs: t.exposeInt('intervalMs', { description: 'From the begin of one probe to the next.' }),
    timeoutMs: t.exposeInt('timeoutMs', { description: 'After which a probe has failed.' }),
    unhealthyThreshold: t.exposeInt('unhealthyThreshold', {
      description: 'Failures in a row that take an endpoint out.',
    }),
    healthyThreshold: t.exposeInt('healthyThreshold', { description: 'Successes in a row that bring it back.' }),
  }),
})
