import type { RouteRow } from '../../storage/route/write.ts'
import { builder } from '../schema/builder.ts'

export const RouteTimeoutsRef = builder.objectRef<RouteRow>('RouteTimeouts').implement({
  description: 'How long a request of a route may take.',
  fields: (t) => ({
    connectMs: t.exposeInt('connect_ms', { description: 'To open a connection.' }),
    firstByteMs: t.exposeInt('first_byte_ms', {
      description: 'Of a stream: longest wait for its first byte, begun anew by each byte until content comes.',
    }),
    answerMs: t.exposeInt('answer_ms', {
      description:
        'Of a plain answer: longest wait for its head in one attempt. A server that does not stream sends it when all is made.',
    }),
    idleMs: t.exposeInt('idle_ms', { description: 'Longest silence inside a response.' }),
    totalMs: t.exposeInt('total_ms', { description: 'All attempts together, queueing included.' }),
    keepAliveMs: t.exposeInt('keep_alive_ms', {
      nullable: true,
      description:
        'After so long without content the client of a stream gets status 200 and a comment or `ping`, and again each time; moving on stays possible until content came. Null: it waits in silence, and every failure before the content keeps its status.',
    }),
  }),
})
