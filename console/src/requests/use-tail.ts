import { useMemo, useState } from 'react'
import { useQuery, useSubscription } from 'urql'
import { type Logged, RequestTail, Requests, type UsageFilter } from './request-documents.ts'

const firstPage = 50
/** What a person scrolls through; older ones are in the log. */
const mostShown = 300

export interface Tail {
  readonly requests: readonly Logged[] | undefined
  readonly fault: string | undefined
  /** Left out by the server because they came too fast. */
  readonly dropped: number
  readonly variables: { readonly first: number; readonly filter: UsageFilter }
}

/** The latest requests, newest first, and those that end from now on. */
export function useTail(filter: UsageFilter, isPaused: boolean): Tail {
  const variables = { first: firstPage, filter }
  const [{ data, error }] = useQuery({ query: Requests, variables, requestPolicy: 'network-only' })
  const [since, setSince] = useState<{ filter: UsageFilter; requests: readonly Logged[]; dropped: number }>()
  const [{ error: tailError }] = useSubscription(
    { query: RequestTail, variables: { filter }, pause: isPaused },
    (_before, event) => {
      const { requestLog, dropped } = event.requestLogged
      setSince((last) => {
        const kept = last?.filter === filter ? last : { filter, requests: [], dropped: 0 }
        return { filter, requests: [requestLog, ...kept.requests].slice(0, mostShown), dropped: kept.dropped + dropped }
      })
      return event
    },
  )
  const stored = data?.requestLogs.edges.map(({ node }) => node)
  const live = since?.filter === filter ? since : undefined
  const requests = useMemo(
    () =>
      stored &&
      [...new Map([...(live?.requests ?? []), ...stored].map((request) => [request.id, request])).values()].slice(
        0,
        mostShown,
      ),
    [stored, live],
  )
  return { requests, fault: (error ?? tailError)?.message, dropped: live?.dropped ?? 0, variables }
}
