import { formText } from '../ui/form-text.ts'

/** A whole number of a form's field; null if the field is empty. */
export function wholeOrNull(form: HTMLFormElement, name: string): number | null {
  const text = formText(form, name)
  return text === '' ? null : Number(text)
}

export const servingStates = ['ACTIVE', 'DRAINING', 'DISABLED'] as const

/** What was chosen in a field of states. */
export function servingState(form: HTMLFormElement, name = 'state'): (typeof servingStates)[number] {
  const chosen = formText(form, name)
  return servingStates.find((state) => state === chosen) ?? 'ACTIVE'
}
