import { createContext, type ReactNode, use, useEffect, useMemo, useState } from 'react'
import { Provider } from 'urql'
import { createApiClient } from '../api/client.ts'
import { createLiveLink, type LiveState } from '../api/live-link.ts'
import { graphqlUrl, webSocketUrl } from '../api/place.ts'
import type { Caller } from './check-key.ts'

export interface Session {
  readonly caller: Caller
  readonly liveState: LiveState
  readonly may: (scope: string) => boolean
  readonly signOut: (why?: string) => void
  /** For what is no GraphQL, e.g. trying a route. */
  readonly key: string
}

const SessionContext = createContext<Session | undefined>(undefined)

export function useSession(): Session {
  const session = use(SessionContext)
  if (!session) throw new Error('there is no session')
  return session
}

interface Props {
  readonly apiKey: string
  readonly caller: Caller
  readonly signOut: (why?: string) => void
  readonly children: ReactNode
}

export function SessionProvider({ apiKey, caller, signOut, children }: Props) {
  const { client, link } = useMemo(
    () => openApi(apiKey, () => signOut('This key is not accepted any more.')),
    [apiKey, signOut],
  )
  const [liveState, setLiveState] = useState<LiveState>('idle')
  useEffect(() => link.onState(setLiveState), [link])
  useEffect(() => () => link.close(), [link])
  const session = useMemo(
    () => ({ caller, liveState, may: (scope: string) => caller.scopes.includes(scope), signOut, key: apiKey }),
    [caller, liveState, signOut, apiKey],
  )
  return (
    <Provider value={client}>
      <SessionContext value={session}>{children}</SessionContext>
    </Provider>
  )
}

function openApi(key: string, onRefused: () => void) {
  const link = createLiveLink({ key, webSocketUrl: webSocketUrl.href, sseUrl: graphqlUrl.href, onRefused })
  return { link, client: createApiClient({ key, link, onRefused }) }
}
