import type { RouteRow } from '../storage/route.ts'
import { builder } from './builder.ts'

export const RouteTimeoutsRef = builder.objectRef<RouteRow>('RouteTimeouts').implement({
  description: 'How long a request of a route may take.',
  fields: (t) => ({
    connectMs: t.exposeInt('connect_ms', { description: 'To open a connection.' }),
    firstByteMs: t.exposeInt('first_byte_ms', {
      description: 'To the response headers, or to the first event of a stream.',
    }),
    idleMs: t.exposeInt('idle_ms', { description: 'Longest silence inside a response.' }),
    totalMs: t.exposeInt('total_ms', { description: 'All attempts together, queueing included.' }),
  }),
})
