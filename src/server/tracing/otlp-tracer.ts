import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, SpanKind } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  RandomIdGenerator,
  type Sampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { RequestTrace, RequestTracer } from '../../gateway/ports.ts'
import { lookupBy, systemNameResolver } from '../../gateway/upstream/name-resolver.ts'
import type { UsageRecord } from '../../routing/usage/record.ts'
import { makeOperationSpan } from './operation-span.ts'
import { ReportingExporter } from './reporting-exporter.ts'
import { contextOf, makeSpans, PromisedIds } from './spans.ts'
import { readTraceHeaders } from './trace-parent.ts'
import { TracedRequest } from './traced-request.ts'
import type { TraceSampling } from './sampling.ts'
import type { Tracing, TracingOptions } from './tracing.ts'

const maxWaitingSpans = 4_096
const exportEveryMs = 1_000
const exportTimeoutMs = 5_000
const lastExportMs = 2_000

/** Traces by OTLP over HTTP (https://opentelemetry.io/docs/specs/otlp/), in the form that every collector takes. */
export function openOtlpTracing(endpoint: string, options: TracingOptions): Tracing {
  const ids = new PromisedIds()
  const exporter = new OTLPTraceExporter({
    url: tracesUrl(endpoint),
    timeoutMillis: exportTimeoutMs,
    // A collector whose name hangs must not take the threads that other names are looked up by.
    httpAgentOptions: { keepAlive: true, lookup: lookupBy(systemNameResolver) },
  })
  const provider = new TracerProvider({
    resource: describeProcess(options),
    // Requests that are not sampled get no spans at all.
    sampler: new AlwaysOnSampler(),
    idGenerator: ids,
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new ReportingExporter(exporter, options.log),
        maxQueueSize: maxWaitingSpans,
        scheduledDelayMillis: exportEveryMs,
      }),
    ],
  })
  const spans = provider.getTracer('signalbox', options.version)
  const makeAll = (ended: readonly Ended[]) => {
    for (const { request, record } of ended) makeSpans(spans, ids, request, record)
  }
  const sampler = samplerOf(options.sampling)
  const tracer = new OtlpTracer(sampler, makeAll)
  const ownIds = new RandomIdGenerator()
  return {
    tracer,
    traceOperation(report) {
      const headers = readTraceHeaders(report.traceHeaders)
      const parent = contextOf(headers)
      const traceId = headers.parent?.traceId ?? ownIds.generateTraceId()
      if (!isSampled(sampler, parent, traceId)) return
      ids.traceId = traceId
      ids.spanId = ownIds.generateSpanId()
      makeOperationSpan(spans, parent, report, Date.now())
    },
    async [Symbol.asyncDispose]() {
      tracer.flush()
      // An unreachable collector must not delay the end of the process.
      await Promise.race([provider.shutdown().catch(() => undefined), sleep(lastExportMs, undefined, { ref: false })])
    },
  }
}

interface Ended {
  readonly request: TracedRequest
  readonly record: UsageRecord
}

class OtlpTracer implements RequestTracer {
  readonly #sampler: Sampler
  readonly #makeSpans: (ended: readonly Ended[]) => void
  readonly #ids = new RandomIdGenerator()
  readonly #createSpanId = () => this.#ids.generateSpanId()
  #ended: Ended[] = []

  constructor(sampler: Sampler, makeSpans: (ended: readonly Ended[]) => void) {
    this.#sampler = sampler
    this.#makeSpans = makeSpans
  }

  begin(forwarded: readonly string[]): RequestTrace {
    const headers = readTraceHeaders(forwarded)
    const traceId = headers.parent?.traceId ?? this.#ids.generateTraceId()
    return new TracedRequest({
      traceId,
      isSampled: isSampled(this.#sampler, contextOf(headers), traceId),
      headers,
      createSpanId: this.#createSpanId,
      finish: this.#finish,
    })
  }

  /** Spans are made when the answer is on its way: a request does not wait for them. */
  readonly #finish = (request: TracedRequest, record: UsageRecord): void => {
    this.#ended.push({ request, record })
    if (this.#ended.length === 1) setImmediate(() => this.flush())
  }

  /** Creates the pending spans. */
  flush(): void {
    const ended = this.#ended
    this.#ended = []
    this.#makeSpans(ended)
  }
}

function isSampled(sampler: Sampler, parent: Context, traceId: string): boolean {
  const { decision } = sampler.shouldSample(parent, traceId, 'request', SpanKind.SERVER, {}, [])
  return decision === SamplingDecision.RECORD_AND_SAMPLED
}

function samplerOf({ name, ratio }: TraceSampling): Sampler {
  const parents = name.startsWith('parentbased_')
  const root = rootSampler(parents ? name.slice('parentbased_'.length) : name, ratio)
  return parents ? new ParentBasedSampler({ root }) : root
}

function rootSampler(name: string, ratio: number): Sampler {
  if (name === 'traceidratio') return new TraceIdRatioBasedSampler(ratio)
  return name === 'always_off' ? new AlwaysOffSampler() : new AlwaysOnSampler()
}

/** `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come last: they are the operator's. */
function describeProcess({ version, instanceId }: TracingOptions): Resource {
  return resourceFromAttributes({
    'service.name': 'signalbox',
    'service.version': version,
    'service.instance.id': instanceId,
  }).merge(detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }))
}

/** The endpoint is a base: each signal has its path below it. */
function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`
}
