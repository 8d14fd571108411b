import type { Reader } from "../i18n/reader";
import type { Palette } from "../theme/palette";

/** What the builder of an option knows about the page. */
export interface Scene {
  reader: Reader;
  palette: Palette;
  /** The width of the chart in CSS pixels. */
  width: number;
  /** `false` if the reader prefers reduced motion, and on paper. */
  animate: boolean;
}
