import type { ControlContext } from '../../control/kit/context.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { keysOf } from '../../gateway/http1/server/request-head.ts'
import { isMetricsUrl, type MetricsAnswer, metricsAnswer } from '../../gateway/pages/metrics.ts'
import type { MetricsReader } from '../../gateway/ports.ts'
import type { ReadDatabase } from '../../graphql/kit/context.ts'
import { createCostBudget } from '../../graphql/transport/cost-budget.ts'
import { createGraphQLHandler } from '../../graphql/transport/handler.ts'
import type { OperationReport } from '../../graphql/transport/operation-report.ts'
import type { LivePorts } from '../../graphql/kit/ports.ts'
import type { TrustedDocuments } from '../../graphql/transport/trusted-documents.ts'
import type { ListenAddress } from '../configuration/config.ts'
import { createConsolePages, isConsoleUrl } from '../console/console-pages.ts'
import { type HttpListener, openHttpListener } from './http.ts'
import type { Log } from '../log/log.ts'

export interface ApiListenerOptions {
  readonly listen: ListenAddress
  readonly control: ControlContext
  readonly live: LivePorts
  readonly reads: ReadDatabase
  /** Undefined before the database was there. */
  readonly cursorKey: () => Buffer | undefined
  /** Told of the key of each call. */
  readonly noteKeyUse: (apiKeyId: string) => void
  /** The documents that are run and no others; undefined: any. */
  readonly trusted: TrustedDocuments | undefined
  /** The greatest cost of the operations of one key per minute; 0: no limit. */
  readonly costPerMinute: number
  /** Told of each operation. */
  readonly countOperation: (report: OperationReport) => void
  /** The gateway of this process, for the console; undefined: it does not listen. */
  readonly gatewayUrl: () => string | undefined
  readonly metrics: MetricsReader
  /** Whether `/metrics` needs no key. */
  readonly metricsOpen: boolean
  readonly whyNotReady: () => string | undefined
  readonly log: Log
}

/** The port of the control plane: GraphQL, GraphiQL, the console, probes and metrics. Draining ends the subscriptions. */
export async function openApiListener(options: ApiListenerOptions): Promise<HttpListener> {
  const { listen, control, live, reads, cursorKey, noteKeyUse, metrics, metricsOpen, whyNotReady, log } = options
  const limits = {
    budget: createCostBudget(options.costPerMinute, () => performance.now()),
    report(report: OperationReport) {
      options.countOperation(report)
      logOperation(log, report)
    },
  }
  const graphql = createGraphQLHandler({
    control,
    live,
    reads,
    cursorKey,
    limits,
    trusted: options.trusted,
    noteKeyUse,
    log,
  })
  const pages = createConsolePages({ gatewayUrl: options.gatewayUrl })
  const listener = await openHttpListener({
    listen,
    variablePrefix: 'SIGNALBOX_API',
    whyNotReady,
    handle(request, response) {
      if (isConsoleUrl(request.url)) {
        pages.answer(request, response).catch((error: unknown) => {
          log.error({ err: error }, 'the console could not be read')
          response.destroy()
        })
        return
      }
      if (!isMetricsUrl(request.url)) return graphql.handle(request, response)
      const needsKey = !metricsOpen
      const question = { method: request.method ?? '', keys: keysOfRequest(request), read: metrics, needsKey }
      void metricsAnswer({ ...question, snapshot: control.snapshots.current() }).then((answer) =>
        write(answer, response),
      )
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

/** Logs an operation: mutations and failures always, other operations only at level debug; values never. */
function logOperation(log: Log, report: OperationReport): void {
  const write = report.type === 'MUTATION' || report.outcome !== 'OK' ? log.info : log.debug
  const { durationMs } = report
  write({ ...report, durationMs: durationMs === null ? null : Math.round(durationMs) }, 'API operation')
}

function keysOfRequest({ headers }: IncomingMessage): readonly string[] {
  return keysOf(headers.authorization ?? '', String(headers['x-api-key'] ?? ''), String(headers['api-key'] ?? ''))
}

function write({ status, headers, body }: MetricsAnswer, response: ServerResponse): void {
  response.writeHead(status, [...headers, 'content-length', String(body.length)])
  response.end(body)
}
