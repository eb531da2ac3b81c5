import type { RequestTracer } from '../../gateway/ports.ts'
import type { Log } from '../log.ts'

/** Traces of the gateway's requests. Disposing sends what waits, for two seconds at most. */
export interface Tracing extends AsyncDisposable {
  readonly tracer: RequestTracer
}

/** As `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say it. */
export interface TraceSampling {
  readonly name: (typeof traceSamplers)[number]
  /** Of the samplers by ratio: from 0 to 1. */
  readonly ratio: number
}

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
export const traceSamplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

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
