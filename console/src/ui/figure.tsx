import type { ReactNode } from 'react'

interface Props {
  readonly name: string
  readonly isBad?: boolean
  readonly children: ReactNode
}

/** One figure with its name; stands in a `dl`. */
export function Figure({ name, isBad = false, children }: Props) {
  return (
    <div className={isBad ? 'figure bad' : 'figure'}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}
