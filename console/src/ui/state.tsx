import type { ReactNode } from 'react'

/** What stands in a panel while there is nothing to show, and why. */
export function Waiting() {
  return (
    <p className="hint" aria-busy="true">
      Loading …
    </p>
  )
}

export function Fault({ children }: { readonly children: ReactNode }) {
  return (
    <p className="fault" role="alert">
      {children}
    </p>
  )
}

export function Empty({ children }: { readonly children: ReactNode }) {
  return <p className="empty">{children}</p>
}

/** An answer that is there, the reason why there is none, or that it is on its way. */
export function Loaded<Data>({
  data,
  fault,
  children,
}: {
  readonly data: Data | undefined
  readonly fault: string | undefined
  readonly children: (data: Data) => ReactNode
}) {
  if (data === undefined) return fault === undefined ? <Waiting /> : <Fault>{plainMessage(fault)}</Fault>
  return children(data)
}

/** urql says where an error comes from; the reader wants what it is. */
export function plainMessage(message: string): string {
  return message.replace(/^\[(GraphQL|Network)\] /gm, '')
}
