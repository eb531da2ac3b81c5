import { useSyncExternalStore } from 'react'
import { type AnyVariables, type TypedDocumentNode, useSubscription } from 'urql'

/** The latest event of a subscription, which runs only while `isWanted` and the page is in sight. */
export function useLive<Data, Variables extends AnyVariables>(
  query: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  isWanted = true,
): { readonly data: Data | undefined; readonly fault: string | undefined } {
  const isVisible = useSyncExternalStore(listenToVisibility, isPageVisible)
  const [{ data, error }] = useSubscription({ query, variables, pause: !isWanted || !isVisible }) as unknown as [
    { data?: Data; error?: { message: string } },
    unknown,
  ]
  return { data, fault: error?.message }
}

function listenToVisibility(onChange: () => void): () => void {
  document.addEventListener('visibilitychange', onChange)
  return () => document.removeEventListener('visibilitychange', onChange)
}

function isPageVisible(): boolean {
  return document.visibilityState === 'visible'
}
