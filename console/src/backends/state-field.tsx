import type { servingStates } from '../change/fields.ts'

/** Whether something serves. */
export function StateField({
  state,
  name = 'state',
}: {
  readonly state: (typeof servingStates)[number]
  readonly name?: string
}) {
  return (
    <label>
      State
      <select name={name} defaultValue={state}>
        <option value="ACTIVE">active</option>
        <option value="DRAINING">draining: what is in flight ends, nothing new is sent</option>
        <option value="DISABLED">disabled</option>
      </select>
    </label>
  )
}
