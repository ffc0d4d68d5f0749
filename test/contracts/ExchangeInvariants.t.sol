// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {ExchangeHandler} from "./ExchangeHandler.t.sol";

/// @notice What holds after any sequence of calls, see {ExchangeHandler.check}.
contract ExchangeInvariantsTest {
    ExchangeHandler private _handler;

    error NeverHappened(string what, uint256 from, uint256 to);

    function setUp() public {
        _handler = new ExchangeHandler();
        _handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](16);
        selectors[0] = ExchangeHandler.open.selector;
        selectors[1] = ExchangeHandler.register.selector;
        selectors[2] = ExchangeHandler.sample.selector;
        selectors[3] = ExchangeHandler.sample.selector;
        for (uint256 i = 4; i < 8; ++i) selectors[i] = ExchangeHandler.advance.selector;
        selectors[8] = ExchangeHandler.optimal.selector;
        selectors[9] = ExchangeHandler.claim.selector;
        selectors[10] = ExchangeHandler.release.selector;
        selectors[11] = ExchangeHandler.forfeit.selector;
        selectors[12] = ExchangeHandler.close.selector;
        selectors[13] = ExchangeHandler.withdraw.selector;
        selectors[14] = ExchangeHandler.pass.selector;
        selectors[15] = ExchangeHandler.pass.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), selectors);
    }

    function invariant_theExchangeHoldsWhatItOwesAndFollowsTheModel() external view {
        _handler.check();
    }

    /// A walk of its own through many sessions, so that the invariant cannot hold merely because nothing happens.
    function test_theWalkTakesEveryArrow() external {
        for (uint256 round; round < 24; ++round) {
            _handler.open(_random(round, 1000));
            for (uint256 step; step < 180; ++step) {
                uint256 random = _random(round, step);
                uint256 kind = random % 16;
                uint256 who = random >> 8;
                if (kind < 2) _handler.sample(who);
                else if (kind < 7) _handler.advance(who, random >> 100);
                else if (kind == 7) _handler.optimal(who);
                else if (kind == 8) _handler.claim(who, random >> 100);
                else if (kind == 9) _handler.release(who);
                else if (kind == 10) _handler.forfeit(who);
                else if (kind == 11) _handler.close(who);
                else if (kind == 12) _handler.withdraw(who, random >> 100);
                else _handler.pass(random >> 100);
            }
            _handler.check();
            // Every other session is left unfinished while the next runs; then time brings both to an end.
            if (round % 2 == 1) _settle();
        }
        _letTheAccusedDeliver();
        for (uint256 from = 2; from < 9; ++from) {
            if (from != 4 && from != 5) _seatMove(from, from + 1 == 4 ? 6 : from + 1 == 9 ? 1 : from + 1);
            _seatMove(from, 1);
        }
        _seatMove(3, 4);
        _seatMove(4, 5);
        _seatMove(5, 6);
        _sessionMove(SessionState.Open, SessionState.Won);
        _sessionMove(SessionState.Open, SessionState.Closed);
        _sessionMove(SessionState.Won, SessionState.Claimed);
        _sessionMove(SessionState.Won, SessionState.Closed);
    }

    /// The one way that a random walk hardly finds: delivered after an accusation, and then not chosen.
    function _letTheAccusedDeliver() private {
        _handler.open(0);
        for (uint256 i; i < 3; ++i) _handler.pass(80);
        for (uint256 who = 3; who < 6; ++who) _handler.sample(who);
        for (uint256 i; i < 4; ++i) _handler.pass(100);
        // Accused, accused, delivered.
        _handler.advance(3, 0);
        _handler.advance(4, 0);
        _handler.advance(4, 4);
        _settle();
    }

    function _settle() private {
        for (uint256 i; i < 16; ++i) _handler.pass(109);
        for (uint256 who; who < 9; ++who) {
            _handler.release(who);
            _handler.forfeit(who);
            _handler.close(who);
            _handler.withdraw(who, 0);
        }
        _handler.check();
    }

    function _seatMove(uint256 from, uint256 to) private view {
        if (_handler.seatMoves(SeatState(from), SeatState(to)) == 0) revert NeverHappened("seat", from, to);
    }

    function _sessionMove(SessionState from, SessionState to) private view {
        if (_handler.sessionMoves(from, to) == 0) revert NeverHappened("session", uint256(from), uint256(to));
    }

    function _random(uint256 round, uint256 step) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(round, step)));
    }
}
