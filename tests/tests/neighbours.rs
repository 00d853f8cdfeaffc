//! Nobody's work stops because of another's: the shares of the board, and its walls.

mod neighbours {
    mod flood;
    mod town;
    mod walls;
}
