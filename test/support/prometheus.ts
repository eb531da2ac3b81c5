/** What a scrape brought, read as Prometheus reads it. */
export interface ScrapedSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Scraped {
  readonly types: ReadonlyMap<string, string>
  readonly samples: readonly ScrapedSample[]
  /** The sum of the series of this name that have these labels at least. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number
}

const line = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/
const pair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y

/**
 * Reads the text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Throws at a line that is none, a
 * series that comes twice, and one whose family was not announced.
 */
export function readScrape(text: string): Scraped {
  const types = new Map<string, string>()
  const samples: ScrapedSample[] = []
  const seen = new Set<string>()
  for (const one of text.split('\n')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(one)
    if (type) types.set(type[1]!, type[2]!)
    if (one === '' || one.startsWith('#')) continue
    const sample = readSample(one)
    const id = JSON.stringify([
      sample.name,
      Object.keys(sample.labels)
        .sort()
        .map((key) => [key, sample.labels[key]]),
    ])
    if (seen.has(id)) throw new Error(`a series comes twice: ${one}`)
    if (!types.has(sample.name) && !types.has(sample.name.replace(/_(bucket|sum|count)$/, '')))
      throw new Error(`no family was announced for: ${one}`)
    seen.add(id)
    samples.push(sample)
  }
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples
      .filter(
        (sample) =>
          sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      )
      .reduce((total, { value }) => total + value, 0)
  return { types, samples, sum }
}

function readSample(text: string): ScrapedSample {
  const { name, labels = '', value } = line.exec(text)?.groups ?? {}
  if (name === undefined) throw new Error(`not a line of the format: ${text}`)
  return { name, labels: readLabels(labels, text), value: value === '+Inf' ? Infinity : Number(value) }
}

function readLabels(text: string, whole: string): Record<string, string> {
  const labels: Record<string, string> = {}
  pair.lastIndex = 0
  while (pair.lastIndex < text.length) {
    const match = pair.exec(text)
    if (!match) throw new Error(`not labels: ${whole}`)
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}
