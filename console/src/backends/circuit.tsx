interface Health {
  readonly circuit: 'CLOSED' | 'OPEN' | 'HALF_OPEN'
}

const looks = {
  CLOSED: ['good', 'passes'],
  HALF_OPEN: ['warn', 'on trial'],
  OPEN: ['bad', 'open: nothing is sent'],
} as const

/** The circuit of something, in words; nothing is known before the first request or probe. */
export function Circuit({ health }: { readonly health: Health | null }) {
  if (!health) return <span className="hint">not seen yet</span>
  const [tone, text] = looks[health.circuit]
  return <span className={`badge ${tone} flush`}>{text}</span>
}
