/** Where a trace comes from: W3C Trace Context, https://www.w3.org/TR/trace-context/#traceparent-header. */
export interface TraceParent {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string
  /** 16 lower-case hexadecimal digits. */
  readonly spanId: string
  readonly isSampled: boolean
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Undefined if it is malformed: then a new trace begins. Of later versions the known part counts. */
export function parseTraceParent(header: string): TraceParent | undefined {
  const [, version, traceId, spanId, flags, rest] = pattern.exec(header.trim()) ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function formatTraceParent({ traceId, spanId, isSampled }: TraceParent): string {
  return `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}`
}

/** What the headers of a request (name, value, …, names in lower case) say of its trace. */
export interface TraceHeaders {
  /** Undefined if there is none, none that is well-formed, or more than one. */
  readonly parent: TraceParent | undefined
  /** The `tracestate` of vendors, unchanged; ignored without a parent. */
  readonly states: readonly string[]
}

export function readTraceHeaders(headers: readonly string[]): TraceHeaders {
  const parents: string[] = []
  const states: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'traceparent') parents.push(headers[i + 1]!)
    else if (headers[i] === 'tracestate') states.push(headers[i + 1]!)
  }
  const parent = parents.length === 1 ? parseTraceParent(parents[0]!) : undefined
  return { parent, states: parent ? states : [] }
}
