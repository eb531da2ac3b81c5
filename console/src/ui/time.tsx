import { useSyncExternalStore } from 'react'
import { ago } from './figures.ts'

const tickMs = 15_000
let nowMs = Date.now()
const listeners = new Set<() => void>()
setInterval(() => {
  nowMs = Date.now()
  for (const listener of listeners) listener()
}, tickMs)

function listen(listener: () => void): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** How long ago an instant was, with the instant itself behind it. */
export function Ago({ instant }: { readonly instant: string }) {
  const now = useSyncExternalStore(listen, () => nowMs)
  return (
    <time dateTime={instant} title={new Date(instant).toLocaleString()}>
      {ago(instant, Math.max(now, Date.parse(instant)))}
    </time>
  )
}
/** An instant to the second. */
export function Clock({ instant }: { readonly instant: string }) {
  return (
    <time dateTime={instant} title={new Date(instant).toLocaleString()}>
      {new Date(instant).toLocaleTimeString('en-GB')}
    </time>
  )
}
const dayFormat = new Intl.DateTimeFormat('en-GB', { weekday: 'short', day: 'numeric', month: 'short' })

/** The day of an instant, e.g. `Thu 4 Dec`. */
export function Day({ instant }: { readonly instant: string }) {
  const date = new Date(instant)
  return (
    <time dateTime={instant} title={date.toLocaleString()}>
      {dayFormat.format(date).replace(',', '')}
    </time>
  )
}
