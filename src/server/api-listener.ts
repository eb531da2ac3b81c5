import type { ServerResponse } from 'node:http'
import type { Control } from '../control/control.ts'
import { createGraphQLHandler } from '../graphql/handler.ts'
import type { LivePorts } from '../graphql/ports.ts'
import type { Listen } from './config.ts'
import { type HttpListener, openHttpListener } from './http-listener.ts'
import type { Log } from './log.ts'

/** The text that Prometheus reads, and its media type. */
export interface MetricsText {
  readonly contentType: string
  text(): Promise<string>
}

export interface ApiListenerOptions {
  readonly listen: Listen
  readonly control: Control
  readonly live: LivePorts
  readonly metrics: MetricsText
  readonly cursorKey: Buffer
  readonly whyNotReady: () => string | undefined
  readonly log: Log
}

/** The port of the control plane: GraphQL, GraphiQL, metrics and probes. Draining ends the subscriptions. */
export async function openApiListener(options: ApiListenerOptions): Promise<HttpListener> {
  const { listen, control, live, metrics, cursorKey, whyNotReady, log } = options
  const graphql = createGraphQLHandler({ control, live, cursorKey, log })
  const listener = await openHttpListener({
    listen,
    variablePrefix: 'SIGNALBOX_API',
    whyNotReady,
    handle(request, response) {
      if (request.url === '/metrics' && request.method === 'GET') answerMetrics(response, metrics, log)
      else graphql.handle(request, response)
    },
    upgrade: graphql.upgrade,
  })
  listener.draining.addEventListener('abort', () => {
    graphql[Symbol.asyncDispose]().then(undefined, (error: unknown) =>
      log.error({ err: error }, 'the API did not end in order'),
    )
  })
  return listener
}

function answerMetrics(response: ServerResponse, metrics: MetricsText, log: Log): void {
  metrics.text().then(
    (text) => response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text),
    (error: unknown) => {
      log.error({ err: error }, 'the metrics could not be collected')
      response.writeHead(500).end()
    },
  )
}
