/**
 * The step as a listener that never throws: an event or a timer calls it outside every request, and what it throws would end the
 * process with everybody's streams. `failed` is told instead.
 */
export function guarded<Args extends readonly unknown[]>(
  step: (...args: Args) => void,
  failed: (error: unknown) => void,
): (...args: Args) => void {
  return (...args) => {
    try {
      step(...args)
    } catch (error) {
      failed(error)
    }
  }
}
