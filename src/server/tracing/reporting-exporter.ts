import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace'

const complaintMs = 60_000
const maxReasonLength = 200

interface ExporterLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

/** An exporter whose failures are in the log: the SDK would keep them to itself. */
export class ReportingExporter implements SpanExporter {
  readonly #exporter: SpanExporter
  readonly #log: ExporterLog
  #lost = 0
  #complainedAtMs = -Infinity

  constructor(exporter: SpanExporter, log: ExporterLog) {
    this.#exporter = exporter
    this.#log = log
  }

  export(spans: ReadableSpan[], done: Parameters<SpanExporter['export']>[1]): void {
    this.#exporter.export(spans, (result) => {
      if (result.error) this.#failed(spans.length, result.error)
      else this.#succeeded()
      done(result)
    })
  }

  forceFlush(): Promise<void> {
    return this.#exporter.forceFlush?.() ?? Promise.resolve()
  }

  shutdown(): Promise<void> {
    return this.#exporter.shutdown()
  }

  #succeeded(): void {
    if (this.#lost > 0) this.#log.info({ lostSpans: this.#lost }, 'traces are collected again')
    this.#lost = 0
    this.#complainedAtMs = -Infinity
  }

  #failed(count: number, error: Error): void {
    this.#lost += count
    if (performance.now() - this.#complainedAtMs < complaintMs) return
    this.#complainedAtMs = performance.now()
    const reason = error.message.slice(0, maxReasonLength)
    this.#log.warn({ reason, lostSpans: this.#lost }, 'traces could not be sent to the collector')
  }
}
