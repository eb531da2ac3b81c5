import type { RequestTracer } from '../../gateway/ports.ts'
import type { OperationReport } from '../../graphql/transport/operation-report.ts'
import type { Log } from '../log/log.ts'
import type { TraceSampling } from './sampling.ts'

/** Traces of the gateway's requests and of the API's operations. Disposing sends what waits, for two seconds at most. */
export interface Tracing extends AsyncDisposable {
  readonly tracer: RequestTracer
  /** An operation of the API that ends now. */
  readonly traceOperation: (report: OperationReport) => void
}

export interface TracingOptions {
  readonly sampling: TraceSampling
  readonly version: string
  readonly instanceId: string
  readonly log: Pick<Log, 'info' | 'warn'>
}

/**
 * `endpoint` is a collector's base URL, e.g. `http://127.0.0.1:4318`; without one there are no traces, and nothing that they
 * need is loaded.
 */
export async function openTracing(endpoint: string | undefined, options: TracingOptions): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined
  const { openOtlpTracing } = await import('./otlp-tracer.ts')
  return openOtlpTracing(endpoint, options)
}
