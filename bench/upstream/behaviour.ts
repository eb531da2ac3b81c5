/** The model servers of the bench: one behaviour per port, answers prepared as bytes. */

export const behaviours = ['small', 'small-b', 'answer', 'burst', 'paced', 'held'] as const
export type Behaviour = (typeof behaviours)[number]

/** Events with content in one stream of `burst` and `paced`. */
export const eventsPerStream = { burst: 200, paced: 100 } as const

/** Pause between the events of `paced`. */
export const pacedEveryMs = 10

/** Said by the parent process to end all streams of `held`. */
export const release = 'release'
