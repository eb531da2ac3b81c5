import { setImmediate } from 'node:timers/promises'
import type { Metric, Registry } from 'prom-client'
import type { MetricsReader } from '../../gateway/ports.ts'
import type { MetricFamily, Sample } from './metric-family.ts'

/**
 * What reads all families, and the metrics of this process, in the text format of Prometheus
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). Scrapes at the same time share one reading.
 */
export function createMetricsReader(
  families: readonly MetricFamily[],
  beforeReading: () => void | Promise<void> = () => undefined,
): MetricsReader {
  let registry: Promise<Registry> | undefined
  let reading: ReturnType<MetricsReader> | undefined
  const read = async () => {
    registry ??= createRegistry(families)
    await beforeReading()
    const { contentType } = await registry
    return { contentType, text: await (await registry).metrics() }
  }
  return () => (reading ??= read().finally(() => (reading = undefined)))
}

/** They watch garbage collection and the event loop from the first scrape on, once per process even with several listeners. */
let ofProcess: Registry | undefined

async function createRegistry(families: readonly MetricFamily[]): Promise<Registry> {
  // Loaded with the first scrape: a process that nobody scrapes does not pay for it.
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  // Requests have their turn between the families: a large page is a lot of work.
  let afterPrevious = Promise.resolve()
  const untilNextFamily = () => (afterPrevious = afterPrevious.then(() => setImmediate()))
  for (const family of families) registry.registerMetric(new FamilyMetric(family, untilNextFamily) as unknown as Metric)
  if (!ofProcess) {
    ofProcess = new Registry()
    collectDefaultMetrics({ register: ofProcess })
  }
  return Registry.merge([registry, ofProcess])
}

/** All that the registry asks of a metric: its name, and what `get` returns. */
class FamilyMetric {
  readonly name: string
  readonly #family: MetricFamily
  readonly #untilNextFamily: () => Promise<void>

  constructor(family: MetricFamily, untilNextFamily: () => Promise<void>) {
    this.name = family.name
    this.#family = family
    this.#untilNextFamily = untilNextFamily
  }

  async get() {
    await this.#untilNextFamily()
    const { name, help, type, read } = this.#family
    return { name, help, type, values: Array.from(read(), (sample) => toValue(name, sample)) }
  }
}

/** `sharedLabels` are put into text once, for as long as the object lives. */
function toValue(name: string, { labels, own = {}, value, suffix }: Sample) {
  return { value, labels: own, sharedLabels: labels, metricName: suffix === undefined ? name : name + suffix }
}
