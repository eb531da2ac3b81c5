/** What a stream means, read in the plainest way: all of it at once, every event with `JSON.parse`. */

export type StreamKind = 'choices' | 'responses' | 'messages' | 'parts'
type Json = Readonly<Record<string, unknown>>

interface PlainEvent {
  readonly text: string
  readonly name: string
  readonly data: string | undefined
  readonly json: Json | undefined
}

export interface ModelledStream {
  /** What the client gets of what upstream sent. */
  readonly text: string
  readonly isWhole: boolean
  /** Whether the gateway has to end it with an error event of its own. */
  readonly isBrokenOff: boolean
  /** The greatest count of each name that was reported up to the stream's end; null: none was. */
  readonly counts: Readonly<Record<string, number>> | null
  /** What comes behind the end is counted if it comes together with it. */
  readonly reportsBehindEnd: boolean
}

/** `isClean`: upstream ended its answer in good order. `keepsUsage`: the client asked for it. */
export function modelStream(kind: StreamKind, sent: string, isClean: boolean, keepsUsage: boolean): ModelledStream {
  const { events, rest } = splitEvents(sent)
  const end = newEnd(kind)
  let text = ''
  let counts: Record<string, number> | null = null
  let reportsBehindEnd = false
  const take = (event: PlainEvent) => {
    // The record is written before the last event goes out.
    if (!end.hasEnded) counts = withCounts(counts, usageOf(event.json))
    else reportsBehindEnd ||= usageOf(event.json) !== undefined
    readEnd(end, event)
    return kind === 'choices' && !keepsUsage && isExtraUsage(event) ? withoutUsage(event) : event.text
  }
  for (const event of events) text += take(event)
  if (end.hasEnded && rest !== '') text += take(toEvent(rest))
  if (end.hasEnded || rest === '') return { ...finish(end, isClean, ''), text, counts, reportsBehindEnd }
  const last = toEvent(rest)
  // Of so long an event the client has the beginning already: half of it is never an end.
  const isPassed = rest.length > 64 * 1024 && (kind !== 'choices' || keepsUsage)
  if (isHalf(last)) {
    const result = isPassed ? { isWhole: false, isBrokenOff: true } : finish(end, isClean, rest)
    return {
      ...result,
      text: isPassed ? `${text + rest}${result.isBrokenOff ? '\n\n' : ''}` : text,
      counts,
      reportsBehindEnd,
    }
  }
  const lastText = take(last)
  const result = finish(end, isClean, '')
  return {
    ...result,
    text: result.isBrokenOff ? (isPassed ? `${text + lastText}\n\n` : text) : text + lastText,
    counts,
    reportsBehindEnd,
  }
}

// ── events ──

/** `rest`: what no empty line has ended. Lines that say nothing belong to no event. */
function splitEvents(sent: string): { readonly events: PlainEvent[]; readonly rest: string } {
  const events: PlainEvent[] = []
  let event = ''
  for (const line of sent.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+/g) ?? []) {
    event += line
    const isWholeLine = /[\r\n]$/.test(line)
    const isIdle = event === line && line.startsWith(':')
    if (!isWholeLine || !(isIdle || /^[\r\n]/.test(line))) continue
    events.push(toEvent(event))
    event = ''
  }
  return { events, rest: event }
}

function toEvent(text: string): PlainEvent {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  const valuesOf = (field: string) =>
    lines.filter((line) => line.startsWith(`${field}:`)).map((line) => line.slice(field.length + 1).replace(/^ /, ''))
  const data = valuesOf('data')
  const type = valuesOf('event').at(-1) ?? ''
  const json = data.length === 0 ? undefined : parse(data.join('\n'))
  const inside = typeof json?.['type'] === 'string' ? json['type'] : ''
  const name = type === '' || type === 'message' ? inside : type
  return { text, name, data: data.length === 0 ? undefined : data.join('\n'), json }
}

function parse(data: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(data)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isHalf({ data, json }: PlainEvent): boolean {
  return data !== undefined && !json && data !== '[DONE]' && /^\s*[{[]/.test(data)
}

function isEmpty(value: unknown): boolean {
  return [undefined, 'null', 'false', '""', '{}', '[]'].includes(JSON.stringify(value))
}

function isError({ name, json }: PlainEvent): boolean {
  return name === 'error' || json?.['type'] === 'error' || !isEmpty(json?.['error'])
}

// ── ends ──

interface End {
  hasEnded: boolean
  isFailed: boolean
  /** Whether it is whole though no event ended it. */
  toldEnd(isClean: boolean, half: string): boolean
  read(event: PlainEvent): void
}

function finish(
  end: End,
  isClean: boolean,
  half: string,
): { readonly isWhole: boolean; readonly isBrokenOff: boolean } {
  if (end.hasEnded) return { isWhole: !end.isFailed, isBrokenOff: false }
  const isWhole = end.toldEnd(isClean, half)
  return { isWhole, isBrokenOff: !isWhole }
}

function newEnd(kind: StreamKind): End {
  const end: End = { choices: choicesEnd, responses: responsesEnd, messages: messagesEnd, parts: partsEnd }[kind]()
  return end
}

function readEnd(end: End, event: PlainEvent): void {
  if (end.hasEnded) return
  end.isFailed = isError(event) || event.name === 'response.failed'
  if (end.isFailed) end.hasEnded = true
  else end.read(event)
}

function choicesEnd(): End {
  const begun = new Set<unknown>()
  const finished = new Set<unknown>()
  return {
    hasEnded: false,
    isFailed: false,
    read({ data, json }) {
      this.hasEnded = data?.trim() === '[DONE]'
      for (const [at, choice] of ((json?.['choices'] ?? []) as readonly Json[]).entries()) {
        begun.add(choice['index'] ?? at)
        if (!isEmpty(choice['finish_reason'])) finished.add(choice['index'] ?? at)
      }
    },
    toldEnd: (_, half) => finished.size > 0 && begun.size === finished.size && !/"choices"\s*:\s*\[\s*\{/.test(half),
  }
}

function responsesEnd(): End {
  return {
    hasEnded: false,
    isFailed: false,
    read({ name }) {
      this.hasEnded = ['response.completed', 'response.incomplete', 'response.cancelled'].includes(name)
    },
    toldEnd: () => false,
  }
}

function messagesEnd(): End {
  let hasReason = false
  return {
    hasEnded: false,
    isFailed: false,
    read({ name, json }) {
      this.hasEnded = name === 'message_stop'
      const delta = json?.['delta']
      hasReason ||= isObject(delta) && !isEmpty(delta['stop_reason'])
    },
    toldEnd: () => hasReason,
  }
}

function partsEnd(): End {
  let last = ''
  let hasParts = false
  return {
    hasEnded: false,
    isFailed: false,
    read({ name, data }) {
      this.hasEnded = data?.trim() === '[DONE]' || name.endsWith('.done')
      if (/\.(?:partial_image|delta|completed)$/.test(name)) last = name
      hasParts ||= /\.(?:partial_image|delta)$/.test(name)
    },
    toldEnd: (isClean, half) =>
      /^(?:data: ?\[D?O?N?E?)?$/.test(half) && (last.endsWith('.completed') || (isClean && !hasParts)),
  }
}

// ── usage ──

function usageOf(json: Json | undefined): Json | undefined {
  const [choice] = Array.isArray(json?.['choices']) ? (json['choices'] as readonly unknown[]) : []
  const places = [json, json?.['x_groq'], choice, json?.['response'], json?.['message']]
  return places.map((place) => (isObject(place) ? place['usage'] : undefined)).find(isObject)
}

function withCounts(counts: Record<string, number> | null, usage: Json | undefined): Record<string, number> | null {
  if (!usage) return counts
  const all = { ...counts }
  for (const [name, value] of Object.entries(usage))
    if (typeof value === 'number') all[name] = Math.max(value, all[name] ?? 0)
  return Object.keys(all).length > 0 ? all : counts
}

/** Tokens and nothing else, by what the event says at its top. */
function isExtraUsage(event: PlainEvent): boolean {
  const { json } = event
  const choices = json?.['choices']
  return isObject(json?.['usage']) && (choices === undefined || isEmpty(choices)) && !isError(event)
}

/** What is in each chunk, and is no news. */
const ofEveryChunk = ['choices', 'usage', 'id', 'object', 'created', 'model']

function withoutUsage({ text, json }: PlainEvent): string {
  const hasMore = Object.entries(json!).some(([name, value]) => !ofEveryChunk.includes(name) && !isEmpty(value))
  if (hasMore) return text.replace(/,"usage":\{[^}]*\}|"usage":\{[^}]*\},/, '')
  const lines = text.match(/[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+/g) ?? []
  const kept = lines.filter((line) => /^(?:id|retry)?:/.test(line))
  const last = lines.at(-1)!
  const hasFields = kept.some((line) => !line.startsWith(':'))
  return kept.join('') + (hasFields && /^[\r\n]/.test(last) ? last : '')
}
