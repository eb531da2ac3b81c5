import type { Control } from '../control/control.ts'
import { createGraphQLHandler } from '../graphql/handler.ts'
import type { LivePorts } from '../graphql/ports.ts'
import type { Listen } from './config.ts'
import { type HttpListener, openHttpListener } from './http-listener.ts'
import type { Log } from './log.ts'

export interface ApiListenerOptions {
  readonly listen: Listen
  readonly control: Control
  readonly live: LivePorts
  readonly cursorKey: Buffer
  readonly whyNotReady: () => string | undefined
  readonly log: Log
}

/** The port of the control plane: GraphQL, GraphiQL and probes. Draining ends the subscriptions. */
export async function openApiListener(options: ApiListenerOptions): Promise<HttpListener> {
  const { listen, control, live, cursorKey, whyNotReady, log } = options
  const graphql = createGraphQLHandler({ control, live, cursorKey, log })
  const listener = await openHttpListener({
    listen,
    variablePrefix: 'SIGNALBOX_API',
    whyNotReady,
    handle: graphql.handle,
    upgrade: graphql.upgrade,
  })
  listener.draining.addEventListener('abort', () => {
    graphql[Symbol.asyncDispose]().then(undefined, (error: unknown) =>
      log.error({ err: error }, 'the API did not end in order'),
    )
  })
  return listener
}
