import { useCallback, useState } from 'react'
import { type AnyVariables, type TypedDocumentNode, useMutation } from 'urql'
import { useAnnounce } from '../ui/announcer.tsx'
import { plainMessage } from '../ui/state.tsx'

export interface ChangeFault {
  readonly code: string
  readonly message: string
}

interface Payload {
  readonly userErrors: readonly ChangeFault[]
  readonly applied?: boolean
}

export interface Change<Data, Variables> {
  /** The payload if it was done, else undefined: then `faults` says why. */
  readonly run: (variables: Variables) => Promise<NonNullable<Data[keyof Data]> | undefined>
  readonly faults: readonly ChangeFault[]
  readonly isRunning: boolean
  readonly clear: () => void
}

/** One mutation with one field; `said` is announced when it was done. */
export function useChange<Data, Variables extends AnyVariables>(
  mutation: TypedDocumentNode<Data, Variables>,
  said: string,
): Change<Data, Variables> {
  const [faults, setFaults] = useState<readonly ChangeFault[]>([])
  const [{ fetching }, execute] = useMutation(mutation)
  const announce = useAnnounce()
  const run = useCallback(
    async (variables: Variables) => {
      setFaults([])
      const { data, error } = await execute(variables)
      const payload = data
        ? (Object.values(data).find((value) => typeof value === 'object') as Payload | null | undefined)
        : undefined
      if (error || !payload) {
        setFaults([{ code: 'FAILED', message: plainMessage(error?.message ?? 'The API gave no answer.') }])
        return undefined
      }
      if (payload.userErrors.length > 0) {
        setFaults(payload.userErrors)
        return undefined
      }
      announce(payload.applied === false ? `${said} Not every gateway serves it yet.` : said)
      return payload as unknown as NonNullable<Data[keyof Data]>
    },
    [execute, announce, said],
  )
  const clear = useCallback(() => setFaults([]), [])
  return { run, faults, isRunning: fetching, clear }
}
