// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../../contracts/interfaces/IGradientRounds.sol";
import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {TrainingTest} from "./TrainingTest.sol";

/// @notice Who is convicted, by what, and that nobody else is.
contract TrainingConvictionsTest is TrainingTest {
    bytes32 private constant A = keccak256("one update");
    bytes32 private constant B = keccak256("another update");

    // ---- data owners -------------------------------------------------------------------------------

    function test_twoSignedUpdatesForOneRoundCostTheDeposit() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _afterARound();
        IGradientRounds.SignedCommitment[2] memory proof = _pairOf(_ownerKey(0), id, 1, A, B);
        vm.expectEmit();
        emit IGradientRounds.OwnerConvicted(id, _owner(0), STRANGER, 1, [A, B], 450);
        vm.prank(STRANGER);
        rounds.convictOwner(id, terms, _owner(0), 1, proof);
        _eq(STRANGER.balance, 450, "half, rounded down");
        _hasStatus(id, _owner(0), OwnerStatus.Convicted);
        _eq(rounds.training(id).owners, 4, "owners");
        _refusedStatus(id, OwnerStatus.Convicted);
        rounds.convictOwner(id, terms, _owner(0), 1, proof);
        uint256 before = MODEL_OWNER.balance;
        rounds.payForfeit(id, terms, _owner(0));
        _eq(MODEL_OWNER.balance - before, 451, "the other half");
        _refusedStatus(id, OwnerStatus.Forfeited);
        rounds.payForfeit(id, terms, _owner(0));
        _refusedStatus(id, OwnerStatus.Forfeited);
        rounds.withdraw(id, terms, _owner(0));
    }

    function test_aSignedUpdateAgainstTheOneOnTheChainCostsTheDeposit() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _afterARound();
        bytes32 root = _root(id, 1, _owner(0), _hashes("update", 100));
        // The same update is no contradiction, nor is one whose first 24 bytes are the same.
        vm.expectRevert(IGradientRounds.NoContradiction.selector);
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(0), id, 1, root));
        vm.expectRevert(IGradientRounds.NoContradiction.selector);
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(0), id, 1, root ^ bytes32(uint256(1))));
        // Signed for another round, or by another.
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.OwnerSignatureInvalid.selector, id, _owner(0)));
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(0), id, 2, B));
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.OwnerSignatureInvalid.selector, id, _owner(0)));
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(1), id, 1, B));
        vm.expectEmit();
        emit IGradientRounds.OwnerConvicted(id, _owner(0), STRANGER, 1, [bytes32(bytes24(root)), B], 450);
        vm.prank(STRANGER);
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(0), id, 1, B));
    }

    function test_whoCommittedNothingContradictsNothingOnTheChain() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _join(id, terms, 0);
        vm.expectRevert(IGradientRounds.NoContradiction.selector);
        rounds.convictCommitter(id, terms, _owner(0), _signedUpdate(_ownerKey(0), id, 0, B));
    }

    function test_updatesOfTwoRoundsTrainingsOwnersOrContractsConvictNobody() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        vm.expectRevert(IGradientRounds.NoContradiction.selector);
        rounds.convictOwner(id, terms, _owner(0), 1, _pairOf(_ownerKey(0), id, 1, A, A));
        IGradientRounds.SignedCommitment memory good = _signedUpdate(_ownerKey(0), id, 1, A);
        IGradientRounds.SignedCommitment[4] memory bad = [
            _signedUpdate(_ownerKey(0), id, 2, B),
            _signedUpdate(_ownerKey(0), id + 1, 1, B),
            _signedUpdate(_ownerKey(1), id, 1, B),
            IGradientRounds.SignedCommitment(B, [bytes32(0), bytes32(0)])
        ];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IGradientRounds.OwnerSignatureInvalid.selector, id, _owner(0)));
            rounds.convictOwner(id, terms, _owner(0), 1, [good, bad[i]]);
            vm.expectRevert(abi.encodeWithSelector(IGradientRounds.OwnerSignatureInvalid.selector, id, _owner(0)));
            rounds.convictOwner(id, terms, _owner(0), 1, [bad[i], good]);
        }
        IGradientRounds.SignedCommitment[2] memory stranger = _pairOf(_ownerKey(6), id, 1, A, B);
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.OwnerStatusWrong.selector, id, _owner(6), OwnerStatus.None)
        );
        rounds.convictOwner(id, terms, _owner(6), 1, stranger);
        // Terms with a larger deposit would take more than was paid in.
        terms.deposit *= 2;
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.TrainingTermsMismatch.selector, id));
        rounds.convictOwner(id, terms, _owner(0), 1, _pairOf(_ownerKey(0), id, 1, A, B));
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.TrainingTermsMismatch.selector, id));
        rounds.payForfeit(id, terms, _owner(0));
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.TrainingTermsMismatch.selector, id));
        rounds.withdraw(id, terms, _owner(0));
    }

    function test_leavingOrTheEndOfATrainingSavesNoDeposit() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        _attestRound(id, terms, keccak256("payouts"));
        vm.prank(_owner(0));
        rounds.leaveTraining(id);
        rounds.fail(id, terms, _roundFailures(id, 2, 1, 2));
        _report(id, terms, 0);
        _report(id, terms, 1);
        _eq(rounds.training(id).owners, 4, "who left was taken out before; after the end nobody is");
        vm.warp(block.timestamp + EVIDENCE + 1);
        for (uint256 i = 2; i < 5; ++i) rounds.withdraw(id, terms, _owner(i));
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.OwnerStatusWrong.selector, id, _owner(2), OwnerStatus.Withdrawn)
        );
        rounds.convictOwner(id, terms, _owner(2), 1, _pairOf(_ownerKey(2), id, 1, A, B));
    }

    function test_whoLeftIsNotTakenOutTwice() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _afterARound();
        vm.prank(_owner(0));
        rounds.leaveTraining(id);
        _inState(id, TrainingState.Joining);
        _report(id, terms, 0);
        _eq(rounds.training(id).owners, 4, "owners");
    }

    function test_aMalformedSignatureIsNobodys() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _committed();
        IGradientRounds.SignedCommitment[2] memory two;
        two[1].root = B;
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.OwnerSignatureInvalid.selector, id, address(0))
        );
        rounds.convictOwner(id, terms, address(0), 1, two);
    }

    function test_aConvictionDoesNotUndoTheRoundThatRuns() public {
        (uint256 id, IGradientRounds.TrainingTerms memory terms) = _opened();
        _joinAll(id, terms, 6);
        rounds.startRound(id, terms);
        for (uint256 i; i < 5; ++i) _commitUpdate(id, i);
        IGradientRounds.SignedCommitment[2] memory two = _pairOf(_ownerKey(0), id, 1, A, B);
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.UpdateCommittedBefore.selector, id, _owner(0), 1)
        );
        rounds.convictOwner(id, terms, _owner(0), 1, two);
        // Who has not committed is not waited for any more.
        _report(id, terms, 5);
        IGradientRounds.Training memory now_ = rounds.training(id);
        _true(now_.owners == 5 && now_.committed == 5, "five of five");
        _attestRound(id, terms, keccak256("payouts"));
        _report(id, terms, 0);
        _eq(rounds.training(id).owners, 4, "owners");
        _inState(id, TrainingState.Joining);
    }

    // ---- operators ---------------------------------------------------------------------------------

    function test_twoAttestationsOfOneRoundConvictAnOperator() public {
        (uint256 id,) = _committed();
        IGradientRounds.RoundAttestation[2] memory two = _contradiction(id);
        bytes32[2] memory digests = [_roundDigest(two[0]), _roundDigest(two[1])];
        bytes32[2][2] memory signatures = [_sign(keys[1], digests[0]), _sign(keys[1], digests[1])];
        vm.expectEmit();
        emit IGradientRounds.OperatorConvicted(members[1], id, 1, vm.addr(keys[1]), digests);
        vm.prank(STRANGER);
        rounds.convictOperator(two, signatures);
        _true(rounds.convicted(members[1]) && !rounds.convicted(members[0]), "this operator and no other");
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.ConvictedBefore.selector, members[1]));
        rounds.convictOperator(two, signatures);
        IGradientRounds.TrainingRequest memory request = _asked();
        vm.prank(MODEL_OWNER);
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.MemberConvicted.selector, members[1]));
        rounds.open{value: 3 * (uint256(REWARD) + ROUND_FEE)}(request);
    }

    function test_attestationsThatDoNotContradictConvictNobody() public {
        (uint256 id,) = _committed();
        IGradientRounds.RoundAttestation[2] memory two = _contradiction(id);
        two[1].round = 2;
        _noContradiction(two);
        two = _contradiction(id);
        two[1].training = id + 1;
        _noContradiction(two);
        two = _contradiction(id);
        two[1] = two[0];
        _noContradiction(two);
        two = _contradiction(id);
        bytes32[2] memory first = _sign(keys[0], _roundDigest(two[0]));
        bytes32[2] memory foreign = _sign(keys[0], _digest(_domain(), _roundHash(two[1])));
        bytes32[2][3] memory bad = [_sign(keys[1], _roundDigest(two[1])), foreign, [bytes32(0), bytes32(0)]];
        for (uint256 i; i < 3; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IGradientRounds.NotAnOperator.selector, vm.addr(keys[0])));
            rounds.convictOperator(two, [first, bad[i]]);
        }
        bytes32[2][2] memory nobody;
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.NotAnOperator.selector, address(0)));
        rounds.convictOperator(two, nobody);
        bytes32[2][2] memory strangers =
            [_sign(0xdead, _roundDigest(two[0])), _sign(0xdead, _roundDigest(two[1]))];
        vm.expectRevert(abi.encodeWithSelector(IGradientRounds.NotAnOperator.selector, vm.addr(0xdead)));
        rounds.convictOperator(two, strangers);
    }

    // ---- the table ---------------------------------------------------------------------------------

    function test_noArrowLeadsBackButTheOneToTheNextRound() public view {
        uint256 arrows;
        for (uint8 i; i < 7; ++i) {
            for (uint8 j; j < 7; ++j) {
                if (!rounds.transitionAllowed(TrainingState(i), TrainingState(j))) continue;
                ++arrows;
                bool nextRound = i == uint8(TrainingState.Committing) && j == uint8(TrainingState.Joining);
                _true(j > i || nextRound, "an arrow leads back");
            }
        }
        _eq(arrows, 10, "arrows");
    }

    // ---- helpers -----------------------------------------------------------------------------------

    function _afterARound() private returns (uint256 id, IGradientRounds.TrainingTerms memory terms) {
        (id, terms) = _committed();
        _attestRound(id, terms, keccak256("payouts"));
    }

    function _report(uint256 id, IGradientRounds.TrainingTerms memory terms, uint256 i) private {
        IGradientRounds.SignedCommitment[2] memory two = _pairOf(_ownerKey(i), id, 1, A, B);
        vm.prank(STRANGER);
        rounds.convictOwner(id, terms, _owner(i), 1, two);
    }

    function _contradiction(uint256 id) private view returns (IGradientRounds.RoundAttestation[2] memory two) {
        two[0] = _roundAttestation(id, keccak256("payouts"));
        two[1] = _roundAttestation(id, keccak256("other payouts"));
    }

    function _noContradiction(IGradientRounds.RoundAttestation[2] memory two) private {
        bytes32[2][2] memory signatures = [_sign(keys[0], _roundDigest(two[0])), _sign(keys[0], _roundDigest(two[1]))];
        vm.expectRevert(IGradientRounds.NoContradiction.selector);
        rounds.convictOperator(two, signatures);
    }

    function _refusedStatus(uint256 id, OwnerStatus status) private {
        vm.expectRevert(
            abi.encodeWithSelector(IGradientRounds.OwnerStatusWrong.selector, id, _owner(0), status)
        );
    }
}
