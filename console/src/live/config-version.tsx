import { createContext, type ReactNode, use, useEffect, useRef } from 'react'
import { type AnyVariables, type TypedDocumentNode, useQuery } from 'urql'
import { graphql } from '../api/graphql.ts'
import { useLive } from './use-live.ts'

const ConfigChanged = graphql(`
  subscription ConfigChanged {
    configChanged {
      token
    }
  }
`)

/** The token of the version: a number comes again after a failover that lost changes. Empty: not known yet. */
const VersionContext = createContext('')

/** Tells everything below of each change of the configuration, whoever made it. */
export function ConfigVersionProvider({ children }: { readonly children: ReactNode }) {
  const { data } = useLive(ConfigChanged, {})
  return <VersionContext value={data?.configChanged.token ?? ''}>{children}</VersionContext>
}

export interface ConfigQuery<Data> {
  readonly data: Data | undefined
  readonly fault: string | undefined
  readonly refresh: () => void
}

/** A query that is asked again when the configuration has changed. */
export function useConfigQuery<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  isWanted = true,
): ConfigQuery<Data> {
  const version = use(VersionContext)
  const seen = useRef(version)
  const [{ data, error }, execute] = useQuery({ query, variables, pause: !isWanted }) as unknown as [
    { data?: Data; error?: { message: string } },
    (options: { requestPolicy: 'network-only' }) => void,
  ]
  useEffect(() => {
    const isNews = seen.current !== '' && seen.current !== version
    seen.current = version
    if (isNews && isWanted) execute({ requestPolicy: 'network-only' })
  }, [version, isWanted, execute])
  return { data, fault: error?.message, refresh: () => execute({ requestPolicy: 'network-only' }) }
}
