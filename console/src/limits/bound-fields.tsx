import { wholeOrNull } from '../change/fields.ts'
import { formText } from '../ui/form-text.ts'

interface Bounds {
  readonly requestsPerMinute: number | null
  readonly tokensPerMinute: number | null
  readonly inFlight: number | null
  readonly burst: number | null
}

/** How much is allowed; an empty field is no bound. */
export function BoundFields({ bounds }: { readonly bounds: Partial<Bounds> }) {
  return (
    <>
      <WholeField name="requests" label="Requests per minute" value={bounds.requestsPerMinute} />
      <WholeField name="tokens" label="Tokens per minute" value={bounds.tokensPerMinute} />
      <WholeField name="inFlight" label="Requests at the same time" value={bounds.inFlight} />
      <WholeField name="burst" label="Most at once" value={bounds.burst} />
    </>
  )
}

interface FieldProps {
  readonly name: string
  readonly label: string
  readonly value: number | null | undefined
}

function WholeField({ name, label, value }: FieldProps) {
  return (
    <label>
      {label}
      <input type="number" name={name} min={1} step={1} defaultValue={value ?? ''} placeholder="not bounded" />
    </label>
  )
}

export function ObserveField({ isObserved }: { readonly isObserved: boolean }) {
  return (
    <label className="check">
      <input type="checkbox" name="observe" defaultChecked={isObserved} /> Only count what it would refuse
    </label>
  )
}

/** What the fields of a limit say. */
export function readBounds(form: HTMLFormElement): Bounds & { readonly enforcement: 'OBSERVE' | 'ENFORCE' } {
  return {
    requestsPerMinute: wholeOrNull(form, 'requests'),
    tokensPerMinute: wholeOrNull(form, 'tokens'),
    inFlight: wholeOrNull(form, 'inFlight'),
    burst: wholeOrNull(form, 'burst'),
    enforcement: formText(form, 'observe') ? 'OBSERVE' : 'ENFORCE',
  }
}
