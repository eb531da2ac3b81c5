import type { RouteRow } from '../../storage/route/write.ts'
import { builder } from '../schema/builder.ts'

export const RouteTimeoutsRef = builder.objectRef<RouteRow>('RouteTimeouts').implement({
  description: 'How long a request of a route may take.',
  fields: (t) => ({
    connectMs: t.exposeInt('connect_ms', { description: 'The longest time to open a connection.' }),
    firstByteMs: t.exposeInt('first_byte_ms', {
      description:
        'The longest wait for the first byte of a stream. Each byte before the first content restarts the wait.',
    }),
    answerMs: t.exposeInt('answer_ms', {
      description:
        'The longest wait for the head of an answer that is not streamed, in one attempt. Servers send that head when the whole answer is ready.',
    }),
    idleMs: t.exposeInt('idle_ms', { description: 'The longest pause between two parts of a response.' }),
    totalMs: t.exposeInt('total_ms', {
      description: 'The longest time of all attempts together, time in a queue included.',
    }),
    keepAliveMs: t.exposeInt('keep_alive_ms', {
      nullable: true,
      description:
        'After this time without content the client of a stream gets status 200 and a comment or `ping`, and another one each time it passes again. Until content arrives the request can still move on to the fallback. Null: the client gets nothing before the content, and a failure before the content keeps its status.',
    }),
  }),
})
