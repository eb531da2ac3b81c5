/** What goes into a spool, and reading what comes out. */
import type { SpooledRecord } from '../../src/gateway/spool/batches-in-flight.ts'
import type { OpenRequest, RequestStart } from '../../src/gateway/ports.ts'
import type { UsageAttributes, UsageEncoder } from '../../src/routing/usage/entry.ts'
import type { UsageRecord } from '../../src/routing/usage/record.ts'

/** Writes records as JSON, so that they can be read again; what they are about is the name of their route. */
export function createJsonEncoder(): UsageEncoder {
  const abouts = new Map<string | null, UsageAttributes>()
  return {
    encode({ routeName, ...rest }) {
      let about = abouts.get(routeName)
      if (!about) abouts.set(routeName, (about = { number: abouts.size + 1, text: JSON.stringify(routeName) }))
      return { about, line: JSON.stringify([about.number, rest]) }
    },
  }
}

/** The records that `createJsonEncoder` wrote. */
export function readRecords(spooled: readonly SpooledRecord[]): UsageRecord[] {
  return spooled.map(({ id, about, line }) => {
    const [number, rest] = JSON.parse(line) as [number, Omit<UsageRecord, 'routeName'>]
    if (number !== about.number || rest.id !== id) throw new Error(`the record of ${id} is not whole`)
    return { ...rest, routeName: JSON.parse(about.text) as string | null }
  })
}

/** As the gateway opens it. */
export function openRequest(start: RequestStart): OpenRequest {
  return { indexInSet: -1, id: start.id, startedAtMs: start.startedAtMs, start: () => start }
}
