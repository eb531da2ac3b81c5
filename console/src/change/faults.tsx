import { words } from '../ui/figures.ts'
import type { ChangeFault } from './use-change.ts'

/** Why a change was not made. */
export function Faults({ faults }: { readonly faults: readonly ChangeFault[] }) {
  if (faults.length === 0) return null
  return (
    <ul className="faults" role="alert">
      {faults.map(({ code, message }) => (
        <li key={`${code} ${message}`}>
          <b>{words(code)}</b> {message}
        </li>
      ))}
    </ul>
  )
}
