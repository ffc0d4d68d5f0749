// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputesTest} from "./DisputesTest.sol";

/// @notice Three shares that are on no line give the buyer its money back; three that are give it nothing.
contract ContestsTest is DisputesTest {
    uint8[4] private _fields = [61, 89, 107, 127];

    // ---- lines -------------------------------------------------------------------------------------

    function test_sharesOnALineProveNothing() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        uint32[4] memory chunks = [uint32(0), 0, 1, 2];
        uint8[4] memory places = [0, 63, 17, 5];
        for (uint256 i; i < 4; ++i) _consistent(told, chunks[i], places[i]);
        _eq(_state(told.job), JobState.Attested);
    }

    function test_oneWrongShareGivesTheBuyerItsMoneyBackAndSlashesNobody() public {
        for (uint256 point = 1; point <= 3; ++point) {
            Shares memory shares = _shared(BITS, TOTAL, point);
            _bend(shares, point, 64 + 9, 1);
            Told memory told = _tell(shares);
            _consistent(told, 1, 8);
            uint256 balance = BUYER.balance;
            vm.expectEmit();
            emit IDisputes.ResultContested(told.job, 64 + 9);
            vm.expectEmit();
            emit IJobEscrow.JobOverturned(told.job);
            _contest(told, 1, 9);
            _eq(_state(told.job), JobState.Failed);
            _eq(escrow.jobOf(told.job).unclaimed, 0, "nothing is left for anybody else");
            escrow.refund(told.terms);
            _eq(BUYER.balance - balance, _price(1), "the price and the fees");
        }
        _bondsStand();
        _eq(address(escrow).balance + address(disputes).balance, 0, "nothing stays");
    }

    function test_theLastChunkEndsWithTheResult() public {
        Shares memory shares = _shared(BITS, TOTAL, 1);
        _bend(shares, 2, TOTAL - 1, 1);
        Told memory told = _tell(shares);
        _refusedContest(told, 2, 6, abi.encodeWithSelector(IDisputes.CoordinateOutOfRange.selector, 6, 6));
        _refusedContest(told, 2, 255, abi.encodeWithSelector(IDisputes.CoordinateOutOfRange.selector, 255, 6));
        _refusedContest(told, 1, 64, abi.encodeWithSelector(IDisputes.CoordinateOutOfRange.selector, 64, 64));
        _outOfRange(told, 3);
        _outOfRange(told, type(uint32).max);
        _contest(told, 2, 5);
        _eq(_state(told.job), JobState.Failed);
    }

    function test_aResultOfOneElementHasOneChunk() public {
        Shares memory shares = _shared(127, 1, 1);
        _bend(shares, 3, 0, 1);
        Told memory told = _tell(shares);
        _outOfRange(told, 1);
        _contest(told, 0, 0);
        _eq(_state(told.job), JobState.Failed);
    }

    function testFuzz_everyLineIsConsistentAndNoOther(uint256 seed, uint8 field, uint256 point, uint256 by, uint8 edge)
        public
    {
        uint8 bits = _fields[field % 4];
        uint256 p = _modulus(bits);
        Shares memory shares = _shared(bits, 2, seed);
        // Half of the lines go through the ends of the field.
        if (edge % 2 == 0) _through(shares, edge / 2 % 2 == 0 ? 0 : p - 1, edge / 4 % 3);
        Told memory told = _tell(shares);
        _consistent(told, 0, 1);
        point = point % 3 + 1;
        _bend(shares, point, 1, by % (p - 1) + 1);
        told = _tell(shares);
        _contest(told, 0, 1);
        _eq(_state(told.job), JobState.Failed);
    }

    /// A number that is equal modulo the field is another text, which no buyer reads: nobody may get away with it.
    function test_aShareBeyondTheModulusIsOnNoLine() public {
        for (uint256 i; i < 4; ++i) {
            for (uint256 point = 1; point <= 3; ++point) {
                Shares memory shares = _shared(_fields[i], 2, i);
                _through(shares, i % 3, point - 1);
                uint256 p = _modulus(_fields[i]);
                shares.values[point - 1][1] += uint128(p);
                Told memory told = _tell(shares);
                _consistent(told, 0, 0);
                _contest(told, 0, 1);
                _eq(_state(told.job), JobState.Failed);
            }
        }
    }

    function test_aFieldIsOfOneTo127Bits() public {
        uint8[3] memory none = [0, 128, 255];
        for (uint256 i; i < 3; ++i) {
            Shares memory shares = _shared(BITS, 2, i);
            shares.bits = none[i];
            Told memory told = _tell(shares);
            _refusedContest(told, 0, 0, abi.encodeWithSelector(IDisputes.FieldInvalid.selector, none[i]));
        }
    }

    // ---- openings ----------------------------------------------------------------------------------

    function test_onlyWhatWasCommittedToCounts() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        for (uint256 index; index < 3; ++index) {
            IDisputes.ChunkOpening[3] memory openings = _openings(told, 1);
            // The share of the coordinate itself, of another one, and one element more or less.
            openings[index].elements[9 * 16 + 15] ^= 0x01;
            _invalid(told, 1, openings, index);
            openings = _openings(told, 1);
            openings[index].elements[0] ^= 0x80;
            _invalid(told, 1, openings, index);
            openings = _openings(told, 1);
            openings[index].elements = bytes.concat(openings[index].elements, bytes16(0));
            _invalid(told, 1, openings, index);
            openings[index].elements = new bytes(0);
            _invalid(told, 1, openings, index);
            openings = _openings(told, 1);
            openings[index].salt ^= bytes32(uint256(1));
            _invalid(told, 1, openings, index);
            openings = _openings(told, 1);
            openings[index].attempt += 1;
            _invalid(told, 1, openings, index);
            openings = _openings(told, 1);
            openings[index].proof = new bytes32[](0);
            _invalid(told, 1, openings, index);
            // Another chunk, and another party's.
            openings = _openings(told, 1);
            openings[index] = _opening(told, index + 1, 0);
            _invalid(told, 1, openings, index);
            openings[index] = _opening(told, (index + 1) % 3 + 1, 1);
            _invalid(told, 1, openings, index);
        }
    }

    function test_whatWasCommittedToForAnotherJobDoesNotCount() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        Shares memory bent = _shared(BITS, TOTAL, 1);
        _bend(bent, 1, 64 + 9, 1);
        Told memory other = _tell(bent);
        _invalid(told, 1, _openings(other, 1), 0);
        // Nor with the other job's parts or outcome.
        IJobEscrow.ResultParts memory parts = told.parts;
        told.parts = other.parts;
        _refusedContest(told, 1, 9, abi.encodeWithSelector(IDisputes.PartsMismatch.selector, told.job));
        told.outcome = other.outcome;
        _refusedContest(told, 1, 9, abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, told.job));
        // An operator that commits itself to the leaves of another job has none that can be opened.
        (told.job, told.terms) = _joined();
        told.parts = parts;
        _attest(told.terms, parts, PAYOUTS);
        told.outcome.resultRoot = _resultRoot(parts);
        _invalid(told, 1, _openings(told, 1), 0);
    }

    function test_everyPartOfAResultIsBound() public {
        Shares memory shares = _shared(BITS, TOTAL, 1);
        _bend(shares, 1, 0, 1);
        Told memory told = _tell(shares);
        bytes memory original = abi.encode(told.parts);
        for (uint256 word; word < original.length / 32; ++word) {
            told.parts = abi.decode(_flipped(original, word), (IJobEscrow.ResultParts));
            _refusedContest(told, 0, 0, abi.encodeWithSelector(IDisputes.PartsMismatch.selector, told.job));
        }
        told.parts = abi.decode(original, (IJobEscrow.ResultParts));
        told.terms.amount += 1;
        _refusedContest(told, 0, 0, abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, _job(told.terms)));
        told.terms.amount -= 1;
        _contest(told, 0, 0);
    }

    // ---- times -------------------------------------------------------------------------------------

    function test_contestUntilTheLastSecondOfTheWindow() public {
        Shares memory shares = _shared(BITS, 2, 1);
        _bend(shares, 1, 0, 1);
        Told memory first = _tell(shares);
        Told memory second = _tell(shares);
        vm.warp(START + WINDOW);
        _contest(first, 0, 0);
        vm.warp(START + WINDOW + 1);
        _closed(second);
        vm.prank(BUYER);
        escrow.accept(second.job, second.outcome);
        _closed(second);
        // And once: what was overturned is over.
        _closed(first);
    }

    function test_aDisputedJobIsContestedAsLongAsItIsNotSettled() public {
        Shares memory shares = _shared(BITS, 2, 1);
        _bend(shares, 1, 0, 1);
        Told memory told = _tell(shares);
        vm.warp(START + WINDOW);
        _challenge(told, 1, 0);
        vm.warp(START + WINDOW + RESPONSE);
        _respond(told, 1, 0);
        _contest(told, 0, 0);
        _eq(_state(told.job), JobState.Failed);
    }

    function test_onlyAnAttestedJobIsContested() public {
        Told memory told = _tell(_shared(BITS, 2, 1));
        (told.job, told.terms) = _joined();
        _refusedContest(told, 0, 0, abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, told.job));
    }

    // ---- steps of this file ------------------------------------------------------------------------

    /// Makes the second coordinate's share at a point this number, and gives it a line again.
    function _through(Shares memory shares, uint256 value, uint256 index) private pure {
        uint256 p = _modulus(shares.bits);
        uint256 slope = uint256(keccak256(abi.encode(value, index))) % p;
        for (uint256 i; i < 3; ++i) {
            shares.values[i][1] = uint128((value + 3 * p - index * slope % p + i * slope) % p);
        }
    }

    function _consistent(Told memory told, uint32 chunk, uint8 place) private {
        _refusedContest(
            told,
            chunk,
            place,
            abi.encodeWithSelector(
                IDisputes.SharesConsistent.selector, told.job, uint256(chunk) * 64 + place
            )
        );
    }

    function _outOfRange(Told memory told, uint32 chunk) private {
        IDisputes.ChunkOpening[3] memory openings;
        uint256 chunks = (uint256(told.parts.total) + 63) / 64;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ChunkOutOfRange.selector, chunk, chunks));
        disputes.contest(told.terms, told.outcome, told.parts, chunk, 0, openings);
    }

    function _invalid(Told memory told, uint32 chunk, IDisputes.ChunkOpening[3] memory openings, uint256 index)
        private
    {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.OpeningInvalid.selector, told.job, index + 1));
        disputes.contest(told.terms, told.outcome, told.parts, chunk, 9, openings);
    }

    function _closed(Told memory told) private {
        _refusedContest(
            told,
            0,
            0,
            abi.encodeWithSelector(IDisputes.ChallengeWindowClosed.selector, told.job, START + WINDOW)
        );
    }

    function _refusedContest(Told memory told, uint32 chunk, uint8 place, bytes memory reason) private {
        IDisputes.ChunkOpening[3] memory openings = _openings(told, chunk);
        vm.expectRevert(reason);
        disputes.contest(told.terms, told.outcome, told.parts, chunk, place, openings);
    }
}
